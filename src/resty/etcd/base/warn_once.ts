const sub = string.sub;

/** Maximum number of different lines of a worker: texts contain names that the program chooses. */
const MAX_LINES = 1000;
/** Maximum length of a line in bytes. */
const MAX_LENGTH = 500;

/** The lines that this worker has written. */
const written = new LuaSet<string>();
let line_count = 0;

/**
 * Logs a warning about the use of the driver, once per worker. Control characters are replaced, because the text contains
 * what the program passed.
 */
function warn(subject: string, text: string): void {
    const line = `${subject}: ${text}`;
    if (written.has(line) || line_count >= MAX_LINES) {
        return;
    }
    written.add(line);
    line_count = line_count + 1;
    const [printable] = string.gsub(sub(line, 1, MAX_LENGTH), "%c", "?");
    ngx.log(ngx.WARN, printable);
}

export { warn };
