package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// ReadData returns the JSON that the value of a flag --data stands for: itself, the content of the file after @, or
// standard input for -.
func ReadData(data string, stdin io.Reader) (content []byte, err error) {
	path, file := strings.CutPrefix(data, "@")
	switch {
	case data == StandardInput:
		content, err = io.ReadAll(stdin)
	case file:
		content, err = os.ReadFile(path)
	default:
		content = []byte(data)
	}
	if err != nil {
		return nil, fmt.Errorf("reading --data: %w", err)
	}
	if !json.Valid(content) {
		return nil, Usagef("--data is not valid JSON")
	}
	return content, nil
}
