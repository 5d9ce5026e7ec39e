/** What users require: the very table that the driver asks, as they may replace its functions. */
import shared_health = require("./endpoint/shared_health");

export = shared_health;
