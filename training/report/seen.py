"""Which pictures of the inside of a network a report shows, in order, and what is said below them."""

_ATTENTION = (
    "Each head's attention of the {} encoder for that image, colours from the 1st to the 99th percentile of "
    "the head. After re-attention weights are normed and may be negative."
)
SEEN = {
    "similarity.png": "How alike each encoder's output is to the last encoder's: cosine over the channels of "
    "each token, mean over tokens and images. Where it nears 1 early, further encoders change little.",
    "feature_maps_backbones.png": "Feature maps of each backbone for the image beside them, each map from "
    "its own lowest to its highest value; of many, evenly spaced ones.",
    "feature_maps_projections.png": "The same after the trained projection, as the encoders get them.",
    "redundancy.png": "Mean absolute correlation of two different maps over all positions of the images: on "
    "the diagonal within a backbone, elsewhere between two. High values mean that maps repeat each other.",
    "attention_first.png": _ATTENTION.format("first"),
    "attention_last.png": _ATTENTION.format("last"),
    "attention_slices.png": "Where the class token looks: attention rollout (Abnar and Zuidema, 2020), "
    "whatever the answer; and what speaks for each answer, attention weighted by the gradient of its logit "
    "(Chefer et al., 2021). Each map is divided by its maximum.",
}
