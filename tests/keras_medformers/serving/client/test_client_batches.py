"""How images become batches."""

from keras_medformers.serving.client.batches import batches_of_equals


def test_equal_keys_share_batches_of_limited_size():
    assert batches_of_equals("aabaab", [1] * 6, batch_size=3) == [
        [0, 1, 3],
        [2, 5],
        [4],
    ]


def test_batches_hold_limited_bytes_but_at_least_one_image():
    assert batches_of_equals("aaaa", [5, 5, 20, 5], batch_size=8, batch_bytes=10) == [
        [0, 1],
        [2],
        [3],
    ]


def test_nothing_gives_nothing():
    assert batches_of_equals([], [], batch_size=1) == []
