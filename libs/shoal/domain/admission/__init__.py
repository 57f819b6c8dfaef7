"""What the door lets in: defaults and validation, one file per kind (features section 23).

`admit` is the one entry, and `clashes` what it cannot know: the other objects of the kind. A kind's file has `default(object) -> object` and
`validate(object, old) -> [Violation]`; both rely on the fields and types that `shape` has checked before. Not here: who may write
(authorisation), schemas of the built-in kinds (`kube.apiserver`), and what needs objects of other kinds to be known.
"""

from shoal.domain.admission.admit import admit, clashes
from shoal.domain.admission.cluster import with_default_models
from shoal.domain.admission.deletion import refuse_deletion
from shoal.domain.admission.violation import Violation

__all__ = ["Violation", "admit", "clashes", "refuse_deletion", "with_default_models"]
