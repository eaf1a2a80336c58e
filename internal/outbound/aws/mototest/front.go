package mototest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// front is what the product takes for AWS. It hands requests on to moto, after
// what the test they belong to has ordered.
type front struct {
	moto     *server
	next     http.Handler
	accounts int // handed out

	mu   sync.Mutex
	keys map[string]*Cloud // by access key, also those of assumed roles

	// Whether policies are enforced is one switch for all of moto. It is off but
	// for a request of a test that wants it, which has moto for itself.
	enforcing sync.RWMutex
}

var (
	once     sync.Once
	shared   *front
	startErr error
)

// start starts moto and its front at the first call. Both end with the process.
func start() (*front, error) {
	once.Do(func() {
		moto, err := launch()
		if err != nil {
			startErr = err
			return
		}
		target, err := url.Parse(moto.url)
		if err != nil {
			startErr = err
			return
		}
		shared = &front{moto: moto, keys: map[string]*Cloud{}}
		shared.next = &httputil.ReverseProxy{
			// The host stays as it was signed.
			Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host },
		}
		startErr = redirect(httptest.NewServer(shared).URL)
	})
	return shared, startErr
}

// redirect makes this process and those it starts take a URL for AWS, and nothing
// else on this machine for a source of credentials.
func redirect(endpoint string) error {
	for _, setting := range os.Environ() {
		if name, _, _ := strings.Cut(setting, "="); strings.HasPrefix(name, "AWS_") {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": endpoint, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// Request is a request to AWS.
type Request struct {
	Service   string // ec2, sts
	Action    string // DescribeInstances
	Region    string // it was signed for
	Form      url.Values
	UserAgent string
	AccessKey string
}

var signed = regexp.MustCompile(`Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request`)

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // nobody is there any more
	}
	scope := signed.FindStringSubmatch(r.Header.Get("Authorization"))
	form, err := url.ParseQuery(string(body))
	if scope == nil || err != nil {
		http.Error(w, "mototest: not a signed request of AWS", http.StatusBadRequest)
		return
	}
	request := Request{
		Service: scope[3], Action: form.Get("Action"), Region: scope[2], Form: form,
		UserAgent: r.UserAgent(), AccessKey: scope[1],
	}
	f.mu.Lock()
	cloud := f.keys[request.AccessKey]
	f.mu.Unlock()
	if cloud == nil {
		http.Error(w, fmt.Sprintf("mototest: the access key %q is of no test that runs", request.AccessKey), http.StatusBadRequest)
		return
	}
	fault, enforced, pages := cloud.observe(request)
	if pages > 0 && request.Action == "DescribeInstances" {
		form.Set("MaxResults", strconv.Itoa(pages))
		body = []byte(form.Encode())
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	moto := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.forward(w, r, cloud, enforced) })
	if fault == nil {
		moto(w, r)
		return
	}
	fault(w, r, request, moto)
}

var accessKey = regexp.MustCompile(`<AccessKeyId>(\w+)</AccessKeyId>`)

// forward lets moto answer, and notes whose the keys of an assumed role are.
func (f *front) forward(w http.ResponseWriter, r *http.Request, cloud *Cloud, enforced bool) {
	if enforced {
		f.enforcing.Lock()
		defer f.enforcing.Unlock()
		defer f.enforce(r.Context(), "inf") // also when the client has gone
		f.enforce(r.Context(), "0")
	} else {
		f.enforcing.RLock()
		defer f.enforcing.RUnlock()
	}
	answer := httptest.NewRecorder()
	f.next.ServeHTTP(answer, r)
	for _, key := range accessKey.FindAllStringSubmatch(answer.Body.String(), -1) {
		f.own(key[1], cloud)
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// own notes that an access key belongs to a test.
func (f *front) own(key string, cloud *Cloud) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys[key] = cloud
}

// enforce says after how many requests moto enforces policies. It panics, which
// ends the request, when moto does not take it: no test could trust moto then.
func (f *front) enforce(ctx context.Context, after string) {
	request, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, f.moto.url+"/moto-api/reset-auth", strings.NewReader(after))
	if err != nil {
		panic(err)
	}
	request.Header.Set("Content-Type", "text/plain")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		panic("moto-api/reset-auth: " + answer.Status)
	}
}
