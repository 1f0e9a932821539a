// What the snippets of the README take for granted.

declare const client: import("wse-client").WseClient;
/** Shows a text to the user. */
declare function show(text: string): void;
