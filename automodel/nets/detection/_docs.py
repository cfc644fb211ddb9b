"""The parts of the docstring of a detector."""

from __future__ import annotations

PARAMETERS = """\
weights : str, path, Weights, tuple of Weights or None
    Pretrained weights of a net of images, which becomes the backbone: a file, a folder,
    or a name, see `automodel.nets.weights.find_weights`. "auto" takes the first that is
    found on this machine. If there is none, or for None, a small ResNet with group
    normalisation is trained from scratch, for `frozen_epochs` more epochs of all
    layers.
net : str or None
    Name of the weights among several; None for the first ones.
n_classes : int or None
    Number of classes; None for those up to the largest in y.
backbone_width : int
    Channels of the first stage of a net that is trained from scratch.
pyramid_width : int
    Channels of the feature pyramid.
head_width : int
    Width of the hidden layers that classify a region.
regions_per_image : int
    Regions of an image that a training step learns from.
anchor_sizes : int
    Sizes of the anchors on each level of the pyramid. All sizes are spread between
    quantiles of those of the training boxes.
anchor_ratios : int or "auto"
    Aspect ratios of the anchors of each size, which are quantiles of those of the
    training boxes. "auto" stands for squares if most boxes are nearly square, and for
    three otherwise.
frozen_epochs : int
    Passes over all images that train the pyramid and the heads alone. Each image is
    changed once for all of them, so that its maps need not be computed again.
full_epochs : int
    Passes over all images that train the backbone as well, after the others.
layers : "all" or int
    Which layers of a pretrained backbone these passes train: all, or so many of the
    last stages. A stage ends where maps become smaller, or with several layers of
    another width. The first stages have the largest maps, and take the most time.
learning_rate : float
    Learning rate at the peak of the schedule of the first phase.
full_rate : float
    The same of the second phase, as a multiple of `learning_rate`.
optimizer : {"adamw", "sgd"} or callable
    AdamW [1]_; stochastic gradient descent with Nesterov momentum 0.9 and gradients
    of length one at most, whose learning rates are ten times as high or more; or a
    class of `torch.optim`.
schedule : {"one-cycle", "cosine", "constant"}
    Course of the learning rate over each phase.
warm_up : float
    Share of the schedule "one-cycle" in which the learning rate grows.
batch_size : int
    The most images of a training step.
horizontal_flip : float
    Probability of swapping left and right in training.
vertical_flip : float
    Probability of swapping top and bottom in training.
scale : float
    Largest change of the size of images in training, as a logarithm.
crop : float
    Largest share of the area of an image that is cut off in training, before the rest
    is enlarged.
brightness : float
    Largest change of the factor by which pixels are multiplied in training.
score_threshold : float
    Least score of a predicted box.
overlap : float
    Intersection over union above which the worse of two predicted boxes of a class is
    left out.
reports_per_epoch : int
    Parts of an epoch, after each of which callbacks are told as of an epoch.
precision : {"auto", "float32", "bfloat16"}
    Precision of convolutions and products of matrices, in training and in predictions.
    "auto" is "bfloat16" on processors that have it (AVX512_BF16 or AMX). Coordinates
    of boxes are in single precision in any case.
"""

ATTRIBUTES = """\
weights_ : Weights or None
    Name, licence and checksum of the pretrained weights.
canvas_ : tuple of int
    Height and width of the canvases.
n_classes_ : int
    Number of classes.
anchors_ : ndarray of shape (n_levels, n_anchors, 2)
    Width and height of the anchors of each level of the pyramid, in pixels of the
    canvas.
strides_ : tuple of int
    Pixels between the cells of each level.
precision_ : str
    Precision of the training.
n_iter_ : int
    Number of epochs trained.
n_steps_ : int
    Number of training steps taken.
history_ : dict of lists
    The loss of each part of an epoch: "train_loss".
state_ : dict of ndarray
    The weights that were trained.
frozen_ : dict of ndarray
    The weights that were not trained. Models in one process share them.
"""
