package mlflow

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MLflow's clients do not take a file's name as it is listed: they unquote it until nothing changes, take it apart as a URL
// and put it together again, refuse all of a directory for one # in it, and send what they have made of it unquoted where it
// looks quoted. So a name that would come to something else on this way is told them in a form that comes through: in its
// place what stands for such characters is a fullwidth percent sign and two hexadecimal digits for each byte (a%20b is
// a％2520b). That form means the file in every path among the artifacts, and the client here speaks it too. All other names,
// and those that the page reads, are as they are.

const codeSign = "％" // U+FF05

var codeRE = regexp.MustCompile(`(?:` + codeSign + `[0-9A-Fa-f]{2})+`)

// netlocSchemes are those that Python's urllib gives a host, be it an empty one, so that a name which begins so is another
// one afterwards.
var netlocSchemes = strings.Fields(`file ftp git git+ssh gopher http https imap itms-services mms nfs nntp prospero rsync rtsp rtsps rtspu
	sftp shttp sip sips snews svn svn+ssh telnet wais ws wss`)

// comesThrough says whether MLflow's clients leave a name alone.
func comesThrough(name string) bool {
	scheme := strings.TrimSuffix(schemeRE.FindString(name), ":")
	switch {
	case codeRE.MatchString(name), quotedRE.MatchString(name), strings.ContainsAny(name, `\#?`), strings.ContainsFunc(name, unicode.IsControl):
		return false
	case strings.HasPrefix(name, " "), strings.HasSuffix(name, ";"), strings.Contains(name, "..") && strings.Contains(name, ";"):
		return false
	case scheme != strings.ToLower(scheme), slices.Contains(netlocSchemes, scheme), absoluteRE.MatchString(name):
		return false
	}
	return true
}

// wireName is what MLflow's clients are told for the name of a file.
func wireName(name string) string {
	if comesThrough(name) {
		return name
	}
	var b strings.Builder
	for i, r := range name {
		if r != '％' && !strings.ContainsRune(`%\#?;:`, r) && !unicode.IsControl(r) && (r != ' ' || i > 0) {
			b.WriteRune(r)
			continue
		}
		for _, c := range []byte(string(r)) {
			fmt.Fprintf(&b, "%s%02X", codeSign, c)
		}
	}
	return b.String()
}

func wirePath(path string) string {
	return strings.Join(each(strings.Split(path, "/"), wireName), "/")
}

// storedName is wireName the other way. What is no name then is for the caller to find.
func storedName(wire string) string {
	return codeRE.ReplaceAllStringFunc(wire, func(codes string) string {
		return unquote(strings.ReplaceAll(codes, codeSign, "%"))
	})
}

// cleanPath leaves out what only makes a path longer: slashes too many and dots that stay where they are.
func cleanPath(path string) string {
	if strings.HasPrefix(path, "/") {
		return path // it is absolute, which is another thing
	}
	return strings.Join(slices.DeleteFunc(strings.Split(path, "/"), func(e string) bool { return e == "" || e == "." }), "/")
}

// queriedPath is a path that was in a query, where the guard does not see it; "" is the root.
func queriedPath(path string) (string, error) {
	path = cleanPath(path)
	if misleading(path) {
		return "", errPath
	}
	return path, nil
}

// storedPath is the path among the artifacts that a client means.
func storedPath(wire string) (string, error) {
	path, err := queriedPath(wire)
	if err != nil || path == "" {
		return path, err
	}
	elements := each(strings.Split(path, "/"), storedName)
	for _, e := range elements {
		if !fs.ValidPath(e) || e == "." || strings.ContainsAny(e, "/\x00") || !utf8.ValidString(e) {
			return "", errPath
		}
	}
	return strings.Join(elements, "/"), nil
}
