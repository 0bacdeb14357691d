/** What strangers send, as it may stand in a log: without keys, without what a terminal obeys or a reader of lines takes for an end, and not longer than a line. */

/** Addresses are as long as clients make them. */
const longestAddress = 200
/** A key in a place where none belongs: an address, a request id. */
const keyForm = /\bqk_[\w-]{8,}/g
/** Line ends, escape sequences, and what turns the direction of writing. */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

export function withoutKeys(text: string): string {
  return text.includes('qk_') ? text.replace(keyForm, 'qk_[hidden]') : text
}

/** A method and an address, whose percent-encoding was undone for the routes. */
export function loggedAddress(what: string): string {
  return withoutKeys(what).slice(0, longestAddress).replace(unseen, encodeURIComponent)
}
