package agentapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
)

var (
	errReplayed = errors.New("sequence number was used before")
	// errUnknownAgent is an agent this platform does not have: it was removed, or
	// belongs to another one.
	errUnknownAgent = errors.New("this agent is not known here")
)

// refusals are the outcomes of verifying a request. An agent acts on each of
// them in its own way, so they have codes of their own.
var refusals = []struct {
	cause  error
	status int
	code   string
}{
	{agentwire.ErrNoSignature, http.StatusUnauthorized, agentwire.ProblemBadSignature},
	{agentwire.ErrBadSignature, http.StatusUnauthorized, agentwire.ProblemBadSignature},
	{agentwire.ErrBadDigest, http.StatusUnauthorized, agentwire.ProblemBadSignature},
	{agentwire.ErrClockSkew, http.StatusUnauthorized, agentwire.ProblemClockSkew},
	{agentwire.ErrBodyTooLarge, http.StatusRequestEntityTooLarge, agentwire.ProblemTooLarge},
	{errReplayed, http.StatusUnauthorized, agentwire.ProblemReplayed},
	{errUnknownAgent, http.StatusNotFound, agentwire.ProblemUnknownAgent},
}

// ordered refuses a request with an order for the agent that made it.
type ordered struct {
	status      int
	code        string
	message     string
	instruction *agentwire.SignedInstruction
}

func (o *ordered) Error() string { return o.message }

// refuse answers a request that failed.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	if order, ok := errors.AsType[*ordered](err); ok {
		answer(w, order.status, agentwire.Problem{Code: order.code, Message: order.Error(), Instruction: order.instruction})
		return
	}
	if errors.Is(err, errDisputed) {
		w.Header().Set("Retry-After", strconv.Itoa(int(disputeRetry/time.Second)))
		answer(w, http.StatusServiceUnavailable, agentwire.Problem{Code: agentwire.ProblemBusy, Message: errDisputed.Error()})
		return
	}
	for _, known := range refusals {
		if errors.Is(err, known.cause) {
			answer(w, known.status, agentwire.Problem{Code: known.code, Message: known.cause.Error()})
			return
		}
	}
	server.Fail(w, r, err)
}

// problemCodes are the words of the agent protocol for the platform's faults.
var problemCodes = map[fault.Code]string{
	fault.Invalid:   agentwire.ProblemInvalid,
	fault.NotFound:  agentwire.ProblemInvalid,
	fault.Forbidden: agentwire.ProblemKeyRefused,
	fault.Conflict:  agentwire.ProblemOffsetMismatch,
	fault.TooLarge:  agentwire.ProblemTooLarge,
	fault.Busy:      agentwire.ProblemBusy,
	fault.Internal:  agentwire.ProblemInternal,

	fault.Unauthenticated: agentwire.ProblemKeyRefused,
}

// writeFailure writes a failure as a Problem of the agent protocol.
func writeFailure(w http.ResponseWriter, _ *http.Request, f server.Failure) {
	answer(w, f.Status, agentwire.Problem{Code: problemCodes[f.Code], Message: f.Message + " " + f.Resolution})
}

// answer writes a small JSON answer.
func answer(w http.ResponseWriter, status int, body any) {
	doc, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "encode answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(doc) // an agent that is gone asks again
}
