"""Rows followed to their targets, as crud tells of them: `rowcast wait` for scripts, `rowcast check` for proof."""
