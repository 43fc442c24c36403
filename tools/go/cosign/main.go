// Command cosign is cosign's own command line without the four cloud key stores that its own `main` adds: a release
// signs as its workflow, a trial by a key in a file, and their clients are a good part of what there is to compile.
package main

import (
	"errors"
	"log"
	"os"

	"github.com/sigstore/cosign/v2/cmd/cosign/cli"
	cosignerrors "github.com/sigstore/cosign/v2/cmd/cosign/errors"
)

func main() {
	err := cli.New().Execute()
	if err == nil {
		return
	}
	log.Printf("error during command execution: %v", err)
	var known *cosignerrors.CosignError
	if errors.As(err, &known) {
		os.Exit(known.ExitCode())
	}
	os.Exit(1)
}
