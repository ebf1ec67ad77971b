/** The REST API's contract: schemas, operations, events and problem codes. No `node:` import, so that browsers can use it. */
export {};
