// The globals that the snippets of the README use.

declare const client: import("wse-client").WseClient;
/** Shows a text to the user. */
declare function show(text: string): void;
