"""The parts of docstrings that nets for images share."""

from __future__ import annotations

PARAMETERS = """\
optimizer : {"adamw", "sgd", "schedule_free"} or callable
    AdamW [1]_; stochastic gradient descent with Nesterov momentum 0.9 and gradients
    of length one at most, whose learning rates are ten times as high or more;
    Schedule-Free AdamW [2]_; or a class of `torch.optim`.
max_epochs : int
    Number of passes over all images.
warm_up : float
    Share of the schedule "one-cycle" in which the learning rate grows.
batch_size : int
    The most images of a training step.
dropout : float
    Share of the features in front of the last layer that a training step leaves out.
horizontal_flip : float
    Probability of swapping left and right in training. A flip must not change what an
    image means, as it does with digits.
vertical_flip : float
    Probability of swapping top and bottom in training.
translate : float
    Largest shift of images in training, as a share of their side.
rotate : float
    Largest rotation of images in training, in degrees.
scale : float
    Largest change of the size of what is seen in training, as a logarithm.
crop : float
    Largest share of the area of an image that is cut off in training, before the rest
    is enlarged.
noise : float
    Largest standard deviation of the noise that is added to pixels in training, as a
    share of their range.
brightness : float
    Largest change of the factor by which pixels are multiplied in training.
contrast : float
    Largest change of the factor of the contrast in training.
erase : float
    Probability that a rectangle of an image is filled with a random colour in training.
trivial : float
    Probability of one random change of TrivialAugment [10]_ in training, in front of
    the others.
mixup : float
    Parameter alpha of mixup [4]_, which trains on mixtures of two images in shares
    drawn from Beta(alpha, alpha); 0 turns it off.
cutmix : float
    Parameter alpha of CutMix [11]_, which trains on images of which a rectangle comes
    from another one; 0 turns it off. With mixup as well, each batch draws one of both.
guard_flips : bool
    Whether flips have to prove that they keep the meaning of images. The net is then
    trained without them at first, and learns from flipped images if it predicts them
    nearly as well as others. Digits and arrows are not flipped.
flip_average : bool
    Whether predictions are the mean of those for an image and its reflection, unless
    the guard has refused the horizontal flip.
early_stopping : bool
    Whether to hold out images, and to keep the weights that predict them best. Data of
    fewer than 50 images are not split.
validation_fraction : float
    Share of the images held out for early stopping.
validations_per_epoch : int
    Parts of an epoch, after each of which the net is validated. Callbacks are told of
    each part as of an epoch.
patience : int
    Number of validations without improvement after which training stops.
precision : {"auto", "float32", "bfloat16"}
    Precision of the convolutions, in training and in predictions. "auto" is "bfloat16"
    on processors that have it (AVX512_BF16 or AMX), for nets without convolutions of
    single channels. It is half as fast again.
"""

ATTRIBUTES = """\
image_shape_ : tuple of int
    Height and width of the images.
value_range_ : tuple of float
    The numbers that became 0 and 255.
flips_ : tuple of str
    Names of the flips that the net has learned from.
precision_ : str
    Precision of the training.
n_iter_ : int
    Number of validations until the weights that are kept, at least one.
n_steps_ : int
    Number of training steps taken.
history_ : dict of lists
    The losses of each part of an epoch: "train_loss", and "valid_loss" with early
    stopping.
state_ : dict of ndarray
    The weights that were trained.
"""
