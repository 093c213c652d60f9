"""The CNNs of `keras.applications`: what scaling they expect, and their released weights without top."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class BackboneSpec:
    """How to build a backbone and which file holds its ImageNet weights without top.

    Attributes:
        constructor: Name in `keras.applications`.
        weights_file: Name of the file in Keras' cache.
        digest: The file's md5, or sha256 where Keras has that; None where Keras has neither.
        scaling: What the weights expect of pixels: `"tf"` within [-1, 1], `"torch"` normalised by ImageNet's
            mean and deviation, `"caffe"` BGR minus ImageNet's mean, or `"inside"` where the application
            has layers for that.
        ends_before: Layer of the application whose input is the backbone's output; None for all layers.
    """

    constructor: str
    weights_file: str
    digest: str | None
    scaling: str = "tf"
    ends_before: str | None = None


_APPLICATIONS = (
    (
        "ConvNeXtBase",
        "convnext_base_notop.h5",
        "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45",
        "inside",
    ),
    (
        "ConvNeXtLarge",
        "convnext_large_notop.h5",
        "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd",
        "inside",
    ),
    (
        "ConvNeXtSmall",
        "convnext_small_notop.h5",
        "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab",
        "inside",
    ),
    (
        "ConvNeXtTiny",
        "convnext_tiny_notop.h5",
        "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
        "inside",
    ),
    (
        "ConvNeXtXLarge",
        "convnext_xlarge_notop.h5",
        "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05",
        "inside",
    ),
    (
        "DenseNet121",
        "densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "30ee3e1110167f948a6b9946edeeb738",
        "torch",
    ),
    (
        "DenseNet169",
        "densenet169_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "b8c4d4c20dd625c148057b9ff1c1176b",
        "torch",
    ),
    (
        "DenseNet201",
        "densenet201_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "c13680b51ded0fb44dff2d8f86ac8bb1",
        "torch",
    ),
    (
        "EfficientNetB0",
        "efficientnetb0_notop.h5",
        "50bc09e76180e00e4465e1a485ddc09d",
        "inside",
    ),
    (
        "EfficientNetB1",
        "efficientnetb1_notop.h5",
        "74c4e6b3e1f6a1eea24c589628592432",
        "inside",
    ),
    (
        "EfficientNetB2",
        "efficientnetb2_notop.h5",
        "111f8e2ac8aa800a7a99e3239f7bfb39",
        "inside",
    ),
    (
        "EfficientNetB3",
        "efficientnetb3_notop.h5",
        "af6d107764bb5b1abb91932881670226",
        "inside",
    ),
    (
        "EfficientNetB4",
        "efficientnetb4_notop.h5",
        "ebc24e6d6c33eaebbd558eafbeedf1ba",
        "inside",
    ),
    (
        "EfficientNetB5",
        "efficientnetb5_notop.h5",
        "38879255a25d3c92d5e44e04ae6cec6f",
        "inside",
    ),
    (
        "EfficientNetB6",
        "efficientnetb6_notop.h5",
        "9ecce42647a20130c1f39a5d4cb75743",
        "inside",
    ),
    (
        "EfficientNetB7",
        "efficientnetb7_notop.h5",
        "cbcfe4450ddf6f3ad90b1b398090fe4a",
        "inside",
    ),
    (
        "EfficientNetV2B0",
        "efficientnetv2-b0_notop.h5",
        "893217f2bb855e2983157299931e43ff",
        "inside",
    ),
    (
        "EfficientNetV2B1",
        "efficientnetv2-b1_notop.h5",
        "0e80663031ca32d657f9caa404b6ec37",
        "inside",
    ),
    (
        "EfficientNetV2B2",
        "efficientnetv2-b2_notop.h5",
        "1dfe2e7a5d45b6632553a8961ea609eb",
        "inside",
    ),
    (
        "EfficientNetV2B3",
        "efficientnetv2-b3_notop.h5",
        "f6abf7b5849ac99a89b50dd3fd532856",
        "inside",
    ),
    (
        "EfficientNetV2L",
        "efficientnetv2-l_notop.h5",
        "b0b66b5c863aef5b46e8608fe1711615",
        "inside",
    ),
    (
        "EfficientNetV2M",
        "efficientnetv2-m_notop.h5",
        "1b8dc055df72dde80d614482840fe342",
        "inside",
    ),
    (
        "EfficientNetV2S",
        "efficientnetv2-s_notop.h5",
        "af0682fb74e8c54910f2d4393339c070",
        "inside",
    ),
    (
        "InceptionResNetV2",
        "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "d19885ff4a710c122648d3b5c3b684e4",
        "tf",
    ),
    (
        "InceptionV3",
        "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "bcbd6486424b2319ff4ef7d526e38f63",
        "tf",
    ),
    ("MobileNet", "mobilenet_1_0_224_tf_no_top.h5", None, "tf"),
    (
        "MobileNetV2",
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
        None,
        "tf",
    ),
    (
        "MobileNetV3Large",
        "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
        "07fb09a5933dd0c8eaafa16978110389",
        "inside",
    ),
    (
        "MobileNetV3Small",
        "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
        "d3e8ec802a04aa4fc771ee12a9a9b836",
        "inside",
    ),
    ("NASNetLarge", "nasnet_large_no_top.h5", "d81d89dc07e6e56530c4e77faddd61b5", "tf"),
    (
        "NASNetMobile",
        "nasnet_mobile_no_top.h5",
        "1ed92395b5b598bdda52abe5c0dbfd63",
        "tf",
    ),
    (
        "ResNet101",
        "resnet101_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "88cf7a10940856eca736dc7b7e228a21",
        "caffe",
    ),
    (
        "ResNet101V2",
        "resnet101v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "c0ed64b8031c3730f411d2eb4eea35b5",
        "tf",
    ),
    (
        "ResNet152",
        "resnet152_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "ee4c566cf9a93f14d82f913c2dc6dd0c",
        "caffe",
    ),
    (
        "ResNet152V2",
        "resnet152v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "ed17cf2e0169df9d443503ef94b23b33",
        "tf",
    ),
    (
        "ResNet50",
        "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "4d473c1dd8becc155b73f8504c6f6626",
        "caffe",
    ),
    (
        "ResNet50V2",
        "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "fac2f116257151a9d068a22e544a4917",
        "tf",
    ),
    (
        "VGG16",
        "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "6d6bbae143d832006294945121d1f1fc",
        "caffe",
    ),
    (
        "VGG19",
        "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "253f8cb515780f3b799900260a226db6",
        "caffe",
    ),
    (
        "Xception",
        "xception_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "b0042744bf5b25fce3cb969f33bebb97",
        "tf",
    ),
)

BACKBONES = {row[0].lower(): BackboneSpec(*row) for row in _APPLICATIONS}
# Scopeformer's first version reads Xception's block 13: 7 x 7 x 1024 at 224 x 224 (Table 2).
BACKBONES["xception_block13"] = dataclasses.replace(
    BACKBONES["xception"], ends_before="block14_sepconv1"
)
