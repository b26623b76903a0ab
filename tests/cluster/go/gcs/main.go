// Command gcs is fake-gcs-server with the parts of Google Cloud Storage that it lacks and pgBackRest uses.
//
// It has the token endpoint of a service account, /token, as
// https://developers.google.com/identity/protocols/oauth2/service-account describes it: a token is given to whoever signs as
// the account (RS256), and refused in Google's words to everybody else. fake-gcs-server accepts any token; here a request needs
// one that was given. The parts of a resumable upload need none, because an upload's ID stands for it, and that ID is also in
// the header X-GUploader-UploadID of the answer that begins the upload.
package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

const (
	grant    = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	scope    = "https://www.googleapis.com/auth/devstorage."
	lifetime = time.Hour
	late     = time.Minute
)

// An account is the only one that gets tokens. audience: the address of /token.
type account struct {
	email, audience string
	key             *rsa.PublicKey
}

type claims struct {
	Issuer   string `json:"iss"`
	Scope    string `json:"scope"`
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
	Issued   int64  `json:"iat"`
}

// refusal says why a signed JWT gets no token; empty if it gets one.
func (a account) refusal(assertion string) string {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return "Invalid JWT."
	}
	var header struct{ Alg, Typ string }
	var found claims
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || decode(parts[0], &header) != nil || decode(parts[1], &found) != nil {
		return "Invalid JWT."
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if header.Alg != "RS256" || rsa.VerifyPKCS1v15(a.key, crypto.SHA256, digest[:], signature) != nil {
		return "Invalid JWT Signature."
	}
	now, issued, expires := time.Now(), time.Unix(found.Issued, 0), time.Unix(found.Expires, 0)
	inForce := issued.Before(now.Add(late)) && now.Before(expires) && expires.Sub(issued) <= lifetime
	known := found.Issuer == a.email && found.Audience == a.audience
	if !inForce || !known || !slices.Contains([]string{scope + "read_only", scope + "read_write"}, found.Scope) {
		return "Invalid JWT: wrong claims."
	}
	return ""
}

func decode(part string, target any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, target)
}

// A server asks for the account's tokens before fake-gcs-server answers.
type server struct {
	account account
	tokens  sync.Map
	storage http.Handler
}

func (s *server) token(w http.ResponseWriter, r *http.Request) {
	refusal := "Invalid grant_type."
	if r.FormValue("grant_type") == grant {
		refusal = s.account.refusal(r.FormValue("assertion"))
	}
	w.Header().Set("Content-Type", "application/json")
	if refusal != "" {
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]any{"error": "invalid_grant", "error_description": refusal})
		return
	}
	token := rand.Text()
	s.tokens.Store("Bearer "+token, true)
	json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(lifetime.Seconds()) - 1})
}

func (s *server) object(w http.ResponseWriter, r *http.Request) {
	if _, known := s.tokens.Load(r.Header.Get("Authorization")); !known && !r.URL.Query().Has("upload_id") {
		http.Error(w, "Invalid Credentials", http.StatusUnauthorized)
		return
	}
	s.storage.ServeHTTP(&answer{ResponseWriter: w}, r)
}

// An answer has the ID of an upload in a header of its own, too.
type answer struct{ http.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	if begun, err := url.Parse(a.Header().Get("Location")); err == nil && begun.Query().Has("upload_id") {
		a.Header().Set("X-GUploader-UploadID", begun.Query().Get("upload_id"))
	}
	a.ResponseWriter.WriteHeader(status)
}

func publicKey(path string) (*rsa.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: not PEM", path)
	}
	found, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, isRSA := found.(*rsa.PublicKey)
	if !isRSA {
		return nil, fmt.Errorf("%s: not an RSA key", path)
	}
	return key, nil
}

func run() error {
	port := flag.Uint("port", 4443, "port on the loopback interface, for TLS")
	certificate := flag.String("cert", "", "file with the certificate for localhost")
	private := flag.String("key", "", "file with its key")
	root := flag.String("root", "", "directory with a directory for each bucket")
	email := flag.String("account", "", "name of the service account")
	public := flag.String("account-key", "", "file with the account's public key, PEM")
	flag.Parse()
	key, err := publicKey(*public)
	if err != nil {
		return err
	}
	host := fmt.Sprintf("localhost:%d", *port)
	storage, err := fakestorage.NewServerWithOptions(fakestorage.Options{
		StorageRoot: *root,
		NoListener:  true,
		PublicHost:  host,
		ExternalURL: "https://" + host,
	})
	if err != nil {
		return err
	}
	found := &server{account: account{*email, "https://" + host + "/token", key}, storage: storage.HTTPHandler()}
	http.HandleFunc("POST /token", found.token)
	http.HandleFunc("/", found.object)
	return http.ListenAndServeTLS(fmt.Sprintf("127.0.0.1:%d", *port), *certificate, *private, nil)
}

func main() {
	log.Fatal(run())
}
