// What the snippets of the README take for granted.

declare const client: import("wse-client").WseClient;
