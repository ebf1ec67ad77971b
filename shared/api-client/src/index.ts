/** One client of the REST API, for the CLI, the console and tests. Works in Node and in browsers. */
export {};
