/** Error codes of HTTP/2 (RFC 9113, section 7). */
const enum ErrorCode {
    NO_ERROR = 0,
    PROTOCOL_ERROR = 1,
    INTERNAL_ERROR = 2,
    FLOW_CONTROL_ERROR = 3,
    SETTINGS_TIMEOUT = 4,
    STREAM_CLOSED = 5,
    FRAME_SIZE_ERROR = 6,
    REFUSED_STREAM = 7,
    CANCEL = 8,
    COMPRESSION_ERROR = 9,
    CONNECT_ERROR = 10,
    ENHANCE_YOUR_CALM = 11,
    INADEQUATE_SECURITY = 12,
    HTTP_1_1_REQUIRED = 13,
}

/** A violation of the protocol after which the connection cannot be used any more. */
interface ConnectionError {
    /** The code for GOAWAY. */
    readonly code: ErrorCode;
    readonly text: string;
}

function create(code: ErrorCode, text: string): ConnectionError {
    return { code, text };
}

export { ErrorCode, create as new, type ConnectionError };
