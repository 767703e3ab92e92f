"""The nodes above the controller: policy, chunk scheduler, skills."""
