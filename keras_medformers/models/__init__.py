"""One file per architecture; importing this package registers them all.

Nothing lists them: every module of this folder is imported.
"""

import importlib
import pkgutil

for _file in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_file.name}")
