"""Search detectors for 75 seconds: coloured shapes on a noisy background.

With pretrained weights (sklearn-automodel[weights]) the detectors are far better.
"""

import numpy as np
from sklearn.model_selection import train_test_split

from automodel import AutoObjectDetector, draw_boxes
from automodel.reporting.summary import text_summary

SECONDS = 75.0
PICTURE = "detected_shapes.png"
N_IMAGES, HEIGHT, WIDTH = 150, 96, 128
COLOURS = {"disc": (220, 60, 50), "square": (50, 90, 220)}


def draw_shapes(rng):
    """Return an image with up to three shapes, and their boxes and labels."""
    image = rng.normal(130, 15, (HEIGHT, WIDTH, 3))
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    boxes, labels = [], []
    for left in range(0, WIDTH - 40, 42):  # one beside the other, without overlap
        if rng.random() < 0.3:
            continue
        side = int(rng.integers(14, 36))
        x, y = left + int(rng.integers(0, 5)), int(rng.integers(0, HEIGHT - side))
        label = str(rng.choice(list(COLOURS)))
        distance = np.maximum(abs(rows - y - side / 2), abs(columns - x - side / 2))
        if label == "disc":
            distance = np.hypot(rows - y - side / 2, columns - x - side / 2)
        image[distance <= side / 2] = COLOURS[label] + rng.normal(0, 20, 3)
        boxes.append([x, y, x + side, y + side])
        labels.append(label)
    image += rng.normal(0, 5, image.shape)
    return image.clip(0, 255).astype(np.uint8), {"boxes": boxes, "labels": labels}


def main():
    rng = np.random.default_rng(0)
    X, y = map(list, zip(*(draw_shapes(rng) for _ in range(N_IMAGES)), strict=True))
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    model = AutoObjectDetector(time_budget=SECONDS, random_state=0, verbose=1)
    model.fit(X_train, y_train)
    print(text_summary(model))
    print(f"Mean average precision on other images: {model.score(X_test, y_test):.3f}")
    print(model.average_precision_per_class(X_test, y_test))
    draw_boxes(X_test[0], model.predict(X_test[:1])[0]).save(PICTURE)
    print(f"The first of these images, with its boxes: {PICTURE}")


if __name__ == "__main__":
    main()
