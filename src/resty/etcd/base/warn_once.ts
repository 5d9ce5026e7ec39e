import * as printable from "./printable";

/** Maximum number of different lines of a worker: texts contain names that the program chooses. */
const MAX_LINES = 1000;
/** Maximum length of a line in bytes: it contains what the program passed. */
const MAX_LENGTH = 500;

/** The lines that this worker has written. */
const written = new LuaSet<Printable>();
let line_count = 0;

/** Logs a warning about the use of the driver, once per worker. */
function warn(subject: string, text: string): void {
    const line = printable.of(`${subject}: ${text}`, MAX_LENGTH);
    if (written.has(line) || line_count >= MAX_LINES) {
        return;
    }
    written.add(line);
    line_count = line_count + 1;
    ngx.log(ngx.WARN, line);
}

export { warn };
