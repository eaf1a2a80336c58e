package main

import (
	"crypto/sha256"
	"net/http"
	"strconv"
	"strings"

	"vedette.dev/vedette/qps"
)

// testPackages are the agent packages of a testPlatform: LINUX_UBUNTU/X_64 is
// good, LINUX/X_64 is not what its hash says, LINUX/ARM_64 breaks off, and
// MACOSX/X_64 has a version that would lead out of the folder. WINDOWS/X_86_64 has
// a name as Qualys might give it, and no hash. Further pairs are not found.
type testPackages struct{}

const testPackage = "!<arch>\ndebian-binary of a test\n"

func (p testPackages) handle(mux *http.ServeMux) {
	mux.HandleFunc("POST /qps/rest/1.0/process/ca/binaryinfo", p.info)
	mux.HandleFunc("POST /qps/rest/1.0/download/ca/downloadbinary", p.download)
}

func (testPackages) list() []qps.BinaryPlatform {
	sum := sha256.Sum256([]byte(testPackage))
	hash := qps.BinaryHash(qps.BinarySHA256, sum[:])
	return []qps.BinaryPlatform{
		{Name: "LINUX/ARM_64", Version: "2.0.0", Hash: hash, Extension: ".rpm"},
		{Name: "LINUX/X_64", Version: "2.0.0", Hash: qps.BinarySHA256 + ": " + strings.Repeat("0f", sha256.Size), Extension: ".rpm"},
		{Name: "LINUX_UBUNTU/X_64", Version: "2.0.0", Hash: hash, Extension: ".deb"},
		{Name: "MACOSX/X_64", Version: "../2.0.0", Hash: hash, Extension: ".pkg"},
		{Name: "Windows (.exe)", Version: "5.8.1.21", Extension: ".exe"},
	}
}

// pair reads the platform and the architecture of a request.
func (testPackages) pair(r *http.Request, element string) string {
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	if err != nil {
		return err.Error()
	}
	n := req.Data.Child(element)
	pair := n.Trimmed("platform") + "/" + n.Trimmed("architecture")
	if pair == "WINDOWS/X_86_64" {
		return "Windows (.exe)"
	}
	return pair
}

func (p testPackages) info(w http.ResponseWriter, r *http.Request) {
	pair := p.pair(r, "BinaryInfo")
	info := &qps.AllBinaryInfo{}
	for _, b := range p.list() {
		if pair == "ALL/ALL" || pair == b.Name {
			info.Platforms = append(info.Platforms, b)
		}
	}
	if len(info.Platforms) == 0 {
		p.refuse(w, pair)
		return
	}
	send(w, qps.NewResult(qps.SchemaBinaryInfo, info))
}

func (testPackages) refuse(w http.ResponseWriter, pair string) {
	send(w, qps.NewError(qps.SchemaBinaryInfo, qps.CodeNotFound, "There is no agent package for "+pair+".", "List the packages."))
}

func (p testPackages) download(w http.ResponseWriter, r *http.Request) {
	switch pair := p.pair(r, "DownloadBinary"); pair {
	case "LINUX/ARM_64":
		w.Header().Set("Content-Length", strconv.Itoa(len(testPackage)+1))
	case "LINUX/X_64", "LINUX_UBUNTU/X_64", "MACOSX/X_64", "Windows (.exe)":
	default:
		p.refuse(w, pair)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write([]byte(testPackage))
}
