// The properties that only the client's own modules name to each other. The build shortens them.
// None of them is a property of something else, such as an envelope, an error or an option.

export const mangleProps = /^(emit|listener|packed|park|probe|receive|slot|stuck|until|unreadable|written)$/;

/** The constants of the build. The build for development has another one. */
export const define = { DEVELOPMENT: "false" };
