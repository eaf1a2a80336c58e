package qps

// ResponseCode is the outcome of a call as the envelope carries it. Anything
// but CodeSuccess is a failure whatever the HTTP status says.
type ResponseCode string

// The response codes of the published QPS schemas.
const (
	CodeSuccess                     ResponseCode = "SUCCESS"
	CodeInvalidRequest              ResponseCode = "INVALID_REQUEST"
	CodeInvalidXML                  ResponseCode = "INVALID_XML"
	CodeInvalidParam                ResponseCode = "INVALID_PARAM"
	CodeInvalidURL                  ResponseCode = "INVALID_URL"
	CodeInvalidAPIVersion           ResponseCode = "INVALID_API_VERSION"
	CodeInvalidCredentials          ResponseCode = "INVALID_CREDENTIALS"
	CodeAuthCredentialsNeeded       ResponseCode = "AUTH_CREDENTIALS_NEEDED"
	CodeUnauthorized                ResponseCode = "UNAUTHORIZED"
	CodeUnauthorizedDestinationApps ResponseCode = "UNAUTHORIZED_DESTINATION_APPS"
	CodeNotFound                    ResponseCode = "NOT_FOUND"
	CodeUnknownObject               ResponseCode = "UNKNOWN_OBJECT"
	CodeCannotBeNull                ResponseCode = "CANNOT_BE_NULL"
	CodeOperationNotSupported       ResponseCode = "OPERATION_NOT_SUPPORTED"
	CodeEvaluationExpired           ResponseCode = "EVALUATION_EXPIRED"
	CodeStillProcessing             ResponseCode = "STILL_PROCESSING"
	CodeOtherError                  ResponseCode = "OTHER_ERROR"
	CodeJMSServerDown               ResponseCode = "JMS_SERVER_DOWN"
	CodeRMIServerDown               ResponseCode = "RMI_SERVER_DOWN"
	CodeUnidentifiedProducer        ResponseCode = "UNIDENTIFIED_PRODUCER"
)
