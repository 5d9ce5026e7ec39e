/** A token bucket that limits the retries of all calls of a client to a share of the calls. */
interface RetryBudget {
    /** Retries that each call adds. */
    readonly per_call: number;
    /** Retries that can be made now. */
    tokens: number;
}

/** Retries that can be made in a burst. */
const MAX_TOKENS = 10;

function create(per_call: number): RetryBudget {
    return { per_call, tokens: MAX_TOKENS };
}

/** Adds the share of one call. */
function credit(budget: RetryBudget): void {
    budget.tokens = math.min(MAX_TOKENS, budget.tokens + budget.per_call);
}

/** Reports whether a retry can be made. */
function has_retry(budget: RetryBudget): boolean {
    return budget.tokens >= 1;
}

/** Takes one retry out of the budget. Returns false if there is none. */
function spend(budget: RetryBudget): boolean {
    if (budget.tokens < 1) {
        return false;
    }
    budget.tokens = budget.tokens - 1;
    return true;
}

export { create as new, credit, has_retry, spend, type RetryBudget };
