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

return _M
