/** A query and those that it asks again are so many at most: it bounds what one request reads. */
export const MAX_RETRY_CHAIN = 20;
