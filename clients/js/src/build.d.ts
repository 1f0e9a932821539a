// What the build decides: see `scripts/names.js`.

/** Whether this is the build for development, which the condition `development` of the package selects. */
declare const DEVELOPMENT: boolean;
