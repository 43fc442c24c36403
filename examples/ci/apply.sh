#!/usr/bin/env bash
# Makes the rows what the folder says, all of them or none.
set -euo pipefail
rowcast apply --filename "${1:-rows}"
