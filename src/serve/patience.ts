/** How long a server waits for its clients. Whoever sends a byte a second, or never reads the answer, must not keep a connection, a model or the end of the server. */

/** ms */
export interface Patience {
  /** for the headers of a request, from the connection on; of HTTPS for the handshake too */
  readonly headers: number
  /** for the whole of a request */
  readonly request: number
  /** between two requests on one connection */
  readonly betweenRequests: number
  /** without a byte in either direction, the time of the longest answer not counted */
  readonly silence: number
  /** how often it is looked after the first two */
  readonly check: number
}

export const defaultPatience: Patience = {
  headers: 10_000,
  request: 60_000,
  betweenRequests: 5_000,
  silence: 30_000,
  check: 1_000,
}

/** As Node's server names it. */
export interface PatienceOptions {
  readonly headersTimeout: number
  readonly requestTimeout: number
  readonly keepAliveTimeout: number
  readonly connectionsCheckingInterval: number
}

/** For Node's server, which answers 408 to the first two. */
export function patienceOptions({ headers, request, betweenRequests, check }: Patience): PatienceOptions {
  return {
    headersTimeout: headers,
    requestTimeout: request,
    keepAliveTimeout: betweenRequests,
    connectionsCheckingInterval: check,
  }
}
