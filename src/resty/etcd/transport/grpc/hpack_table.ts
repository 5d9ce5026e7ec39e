/** The tables of HPACK (RFC 7541): the static one, and the dynamic one of a connection. */

interface HeaderField {
    readonly name: string;
    readonly value: string;
}

/** Fields that the peer has added, up to a size. The newest one has the highest number. */
interface DynamicTable {
    readonly fields: LuaMap<number, HeaderField>;
    /** Number of the oldest field. */
    oldest: number;
    /** Number of the newest field. */
    newest: number;
    /** Size of the fields in bytes, `OVERHEAD` included. */
    size: number;
    /** Size in bytes up to which fields are kept; the peer chooses it. */
    capacity: number;
}

/** Bytes that each field counts in addition to its name and value (section 4.1). */
const OVERHEAD = 32;

/** Appendix A: names, and behind a space their values. */
const STATIC_TEXT =
    ":authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|:status 204|" +
    ":status 206|:status 304|:status 400|:status 404|:status 500|accept-charset|accept-encoding gzip, deflate|" +
    "accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control|" +
    "content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type|" +
    "cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|" +
    "last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|" +
    "server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate";

const static_fields: HeaderField[] = [];
for (const [name, value] of string.gmatch(STATIC_TEXT, "([^ |]+) ?([^|]*)")) {
    static_fields.push({ name: name!, value: value! });
}

/** Number of fields in the static table; the dynamic one follows it. */
const STATIC_LENGTH = static_fields.length;

function create(capacity: number): DynamicTable {
    return { fields: new LuaMap(), oldest: 1, newest: 0, size: 0, capacity };
}

function size_of(field: HeaderField): number {
    return field.name.length + field.value.length + OVERHEAD;
}

/** Removes the oldest fields until the others have at most `limit` bytes. */
function evict(dynamic: DynamicTable, limit: number): void {
    while (dynamic.size > limit) {
        const oldest = dynamic.oldest;
        dynamic.size = dynamic.size - size_of(dynamic.fields.get(oldest)!);
        dynamic.fields.delete(oldest);
        dynamic.oldest = oldest + 1;
    }
}

/** Sets the capacity, and removes the fields beyond it. */
function resize(dynamic: DynamicTable, capacity: number): void {
    dynamic.capacity = capacity;
    evict(dynamic, capacity);
}

/** Adds a field. A field that is larger than the capacity empties the table. */
function add(dynamic: DynamicTable, field: HeaderField): void {
    const size = size_of(field);
    if (size > dynamic.capacity) {
        evict(dynamic, 0);
        return;
    }
    evict(dynamic, dynamic.capacity - size);
    dynamic.newest = dynamic.newest + 1;
    dynamic.fields.set(dynamic.newest, field);
    dynamic.size = dynamic.size + size;
}

/** Returns the field at an index of both tables, or nil if there is none. */
function get(dynamic: DynamicTable, index: number): HeaderField | undefined {
    if (index <= STATIC_LENGTH) {
        return static_fields[index - 1];
    }
    return dynamic.fields.get(dynamic.newest - (index - STATIC_LENGTH - 1));
}

export { OVERHEAD, add, create as new, get, resize, type DynamicTable, type HeaderField };
