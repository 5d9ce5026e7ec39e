import * as args from "../dropin/args";
import type { State as ClientState } from "../dropin/state";
import * as watch_feed from "../watch_feed";
import type { FeedOptions } from "../watch_feed";
import type { Options, Source } from "./types";

/** Key and range end of all keys below a prefix. */
function range_of(cli: ClientState, dir: string): { key: string; range_end: string } {
    const range = args.prefix_range(cli.key_prefix, dir);
    return { key: range.get("key") as string, range_end: range.get("range_end") as string };
}

/**
 * Chooses where a mirror's batches come from.
 * @param dir prefix without the client's own
 * @returns what opens a feed of all keys below the prefix, the full state first
 */
function choose(cli: ClientState, dir: string, opts: Options): Result<Source> {
    if (opts.mode === "node") {
        return $multi(undefined, 'mode = "node" is not available yet');
    }
    const { key, range_end } = range_of(cli, dir);
    const wanted: FeedOptions = { key, range_end, list: true, relist: true, progress: true };
    if (opts.silence !== undefined) {
        wanted.silence = opts.silence;
    }
    if (opts.share !== undefined) {
        wanted.share = range_of(cli, opts.share);
    }
    return $multi(() => watch_feed.open(cli, wanted));
}

export { choose };
