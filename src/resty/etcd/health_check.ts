/** The table that the driver itself uses, not a copy: programs replace its functions. */
import shared_health = require("./endpoint/shared_health");

export = shared_health;
