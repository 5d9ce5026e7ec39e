-- Generated from src/resty/etcd/transport/grpc/types.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- The functions of a message type. They are compiled at their first call.
---@class resty.etcd.transport.grpc.types.Codec
---@field message table
---@field decode fun(s: string, from: number, stop: number, depth: number, into?: table): table?, string?
---@field encode fun(fields: any, out: string[], n: number, depth: number): number?, number|string

--- Receives what the parser finds. A handler that returns an error ends the parsing.
---@class resty.etcd.transport.grpc.types.FrameHandler
---@field on_data fun(self: resty.etcd.transport.grpc.types.FrameHandler, stream_id: number, s: string, from: number, last: number, flow_size: number, is_end: boolean): resty.etcd.transport.grpc.http2_error.ConnectionError? Receives the payload of a DATA frame, which is `s` from `from` to `last`.
---@field on_headers fun(self: resty.etcd.transport.grpc.types.FrameHandler, stream_id: number, block: string, is_end: boolean): resty.etcd.transport.grpc.http2_error.ConnectionError? Receives a complete header block.
---@field on_rst_stream fun(self: resty.etcd.transport.grpc.types.FrameHandler, stream_id: number, code: number): resty.etcd.transport.grpc.http2_error.ConnectionError?
---@field on_settings fun(self: resty.etcd.transport.grpc.types.FrameHandler, values: table): resty.etcd.transport.grpc.http2_error.ConnectionError? Receives settings whose values are valid.
---@field on_settings_ack fun(self: resty.etcd.transport.grpc.types.FrameHandler): resty.etcd.transport.grpc.http2_error.ConnectionError?
---@field on_ping fun(self: resty.etcd.transport.grpc.types.FrameHandler, payload: string): resty.etcd.transport.grpc.http2_error.ConnectionError?
---@field on_ping_ack fun(self: resty.etcd.transport.grpc.types.FrameHandler, payload: string): resty.etcd.transport.grpc.http2_error.ConnectionError?
---@field on_goaway fun(self: resty.etcd.transport.grpc.types.FrameHandler, last_stream_id: number, code: number, text: string): resty.etcd.transport.grpc.http2_error.ConnectionError?
---@field on_window_update fun(self: resty.etcd.transport.grpc.types.FrameHandler, stream_id: number, increment: number): resty.etcd.transport.grpc.http2_error.ConnectionError?
---@field on_stream_error fun(self: resty.etcd.transport.grpc.types.FrameHandler, stream_id: number, code: number): resty.etcd.transport.grpc.http2_error.ConnectionError? Receives an error that concerns one stream.

--- A header block whose end has not arrived.
---@class resty.etcd.transport.grpc.types.OpenBlock
---@field stream_id number
---@field is_end boolean
---@field parts string[]
---@field size number

---@class resty.etcd.transport.grpc.types.FrameParser
---@field handler resty.etcd.transport.grpc.types.FrameHandler
---@field parts string[] Bytes of an incomplete frame.
---@field buffered number
---@field needed number Buffered bytes at which parsing can continue.
---@field has_settings boolean
---@field block resty.etcd.transport.grpc.types.OpenBlock?
---@field failure resty.etcd.transport.grpc.http2_error.ConnectionError?

--- How a stream ended.
---@class resty.etcd.transport.grpc.types.StreamEnd
---@field kind "lost"|"canceled"|"complete"|"malformed"|"reset" The server ended it, reset it, or broke a rule; the driver canceled it; or the connection ended before.
---@field code number Error code of HTTP/2; 0 if there is none.
---@field is_unprocessed boolean The server has provably not processed the request: sending it again is safe, even for a write.

--- The owner of a stream. Its methods must not yield.
---@class resty.etcd.transport.grpc.types.StreamListener
---@field on_headers fun(self: resty.etcd.transport.grpc.types.StreamListener, headers: table, is_trailers: boolean) Receives the response's headers, or its trailers.
---@field on_data fun(self: resty.etcd.transport.grpc.types.StreamListener, s: string, from: number, last: number): string? Receives data, which are `s` from `from` to `last`. They count against the stream's window until `session.consume`.
---@field on_close fun(self: resty.etcd.transport.grpc.types.StreamListener, end: resty.etcd.transport.grpc.types.StreamEnd) Receives the end. No other method is called after it.
---@field is_obsolete fun(self: resty.etcd.transport.grpc.types.StreamListener, time: number, is_exiting: boolean, is_moving: boolean): boolean Reports whether the user of the stream no longer exists, or must not have it any more. Called regularly.

--- A request and its response on a connection.
---@class resty.etcd.transport.grpc.types.Stream
---@field listener resty.etcd.transport.grpc.types.StreamListener
---@field block string
---@field id number 0 until the request's headers are in the output.
---@field is_closed boolean
---@field has_headers boolean
---@field pending string Body that is not in the output yet, from `pending_at`.
---@field pending_at number
---@field is_ending boolean No body follows the pending one.
---@field has_ended boolean END_STREAM is in the output.
---@field is_queued boolean
---@field send_window number Bytes that the server accepts; negative after a setting has reduced the window.
---@field receive_window number Bytes that the server can still send, and those consumed but not granted again.
---@field consumed number

--- First in, first out.
---@class resty.etcd.transport.grpc.types.Queue
---@field items table
---@field first number
---@field last number

--- A connection without its socket.
---@class resty.etcd.transport.grpc.types.Session: resty.etcd.transport.grpc.types.FrameHandler
---@field parser resty.etcd.transport.grpc.types.FrameParser
---@field decoder resty.etcd.transport.grpc.hpack.Decoder
---@field streams table Streams whose headers are in the output, by ID.
---@field active number
---@field next_id number
---@field out string[] Frames that the next output starts with.
---@field out_size number
---@field waiting resty.etcd.transport.grpc.types.Queue Streams that wait for the server's limit of concurrent streams.
---@field waiting_count number Streams in `waiting` that are not closed.
---@field small resty.etcd.transport.grpc.types.Queue Streams with a body: those whose body fits into a frame, and the others.
---@field large resty.etcd.transport.grpc.types.Queue
---@field small_in_a_row number Frames of small bodies since the last one of a large body.
---@field queued_bytes number Bytes of blocks and bodies that are not in the output.
---@field is_ready boolean The server's settings have arrived.
---@field is_draining boolean The connection accepts no further streams.
---@field goaway_code number?
---@field max_streams number
---@field initial_send_window number
---@field send_window number
---@field receive_window number
---@field pings number PINGs of the driver without an answer.

--- A server. What is known of it outlasts its connections.
---@class resty.etcd.transport.grpc.types.Peer
---@field name string Address and port, or the path of a unix socket.
---@field host string
---@field port number?
---@field connection resty.etcd.transport.grpc.types.Connection? The connection of the next calls; nil if they have to dial.
---@field failures number Connections in a row that have ended before the server's SETTINGS.
---@field next_dial_at number No connection before that time.
---@field last_fault resty.etcd.transport.fault.Fault? Why the last of these connections has ended.
---@field ping_interval number Seconds without a byte after which a connection with streams sends PING.

--- A connection: its session, its socket and the light threads that serve them.
---@class resty.etcd.transport.grpc.types.Connection
---@field peer resty.etcd.transport.grpc.types.Peer
---@field session resty.etcd.transport.grpc.types.Session
---@field loop resty.etcd.base.timer_types.TimerLoop Nil until it is created, at the end of the construction.
---@field owner table Wakes the owner.
---@field writer table Wakes the light thread that sends.
---@field is_writer_awake boolean The writer has been woken, and has not looked for output since.
---@field sock table?
---@field fault resty.etcd.transport.fault.Fault? Why it ends; nil while it lasts.
---@field has_run boolean Its owner has begun to serve it.
---@field is_busy boolean Streams were open at the last check.
---@field busy_since number
---@field idle_since number When streams were last open, and the next stream ID of that time.
---@field last_id number
---@field dialed_at number
---@field received_at number When the last byte arrived, and when the last PING was sent.
---@field pinged_at number
---@field has_heeded boolean The interval of PINGs has been doubled because of this connection.

--- A request, and the light thread that waits for its response.
---@class resty.etcd.transport.grpc.types.Exchange
---@field connection resty.etcd.transport.grpc.types.Connection
---@field stream resty.etcd.transport.grpc.types.Stream
---@field signal table Wakes the light thread.
---@field is_waiting boolean

return _M
