"""SavedModels with one planted defect each, sound ones beside them, and which check tells them apart."""
