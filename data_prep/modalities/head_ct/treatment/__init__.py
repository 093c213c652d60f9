"""The morphological treatment of head CT slices: the head holder goes, the head stays.

`morphology` has the steps, `holder` finds the holder where it touches the head, `treatment` puts them
together, `contact_sheets` shows them; `python -m data_prep.head_treatment` runs them over a data set.

Reference:
    DTViT (Fan et al., Dual-Task Vision Transformer for Rapid and Accurate Intracerebral Hemorrhage
    Classification on CT Images), section 2.2.1.
"""
