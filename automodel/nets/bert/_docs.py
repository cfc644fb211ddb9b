"""The parts of docstrings that the classifier and the regressor share."""

from __future__ import annotations

PARAMETERS = """\
weights : str, path or None
    Pretrained weights of an encoder: a folder, or a name, see
    `automodel.nets.weights.find_weights`. "auto" takes the first that is found on this
    machine, and it is an error if there is none. With None, a small encoder is trained
    from scratch, whose vocabulary are the words of the training texts.
layers : "all", "head" or int
    Which layers are trained: all of them with the embeddings of the tokens, the head
    alone, or also so many of the last layers. Fewer layers train faster.
max_length : int
    The most tokens of a text that are read, at most those that the encoder takes.
max_epochs : int
    Number of passes over all texts.
learning_rate : float
    Learning rate of the last layer of the encoder at the peak of the schedule.
head_rate : float
    Learning rate of the head, as a multiple of `learning_rate`.
layer_decay : float
    Factor of the learning rate from each layer to the one before it. The first layers
    need the least change [10]_.
warm_up : float
    Share of the schedule "one-cycle" in which the learning rate grows.
batch_size : int
    The most texts of a training step. Those of similar length are trained together, so
    that little is padded.
dropout : float
    Share of hidden units that a training step leaves out, in the layers that are
    trained.
probe : bool
    Whether the head starts from linear probing: as the linear model that suits the
    encoder as it is [11]_. From another start, the first steps would spoil the encoder.
early_stopping : bool
    Whether to hold out texts, and to keep the weights that predict them best, which may
    be those of the start. Data of fewer than 50 texts are not split.
validations_per_epoch : int
    Parts of an epoch, after each of which the net is validated. Callbacks are told of
    each part as of an epoch.
patience : int
    Number of validations without improvement after which training stops.
precision : {"auto", "float32", "bfloat16"}
    Precision of the products of matrices, in training and in predictions. "auto" is
    "bfloat16" on processors that have it (AVX512_BF16 or AMX), for encoders of a width
    of 256 or more. It is two to three times as fast.
"""

ATTRIBUTES = """\
weights_ : Weights or None
    Name, licence and checksum of the pretrained weights.
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
frozen_ : dict of ndarray
    The other weights of the encoder. Models in one process share them.
"""
