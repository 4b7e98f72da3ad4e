/**
 * What a consumer is asked to be.
 *
 * @since 0.1.0
 */

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** 1 to 112 bytes of UTF-8. */
  readonly id: string
  /** Has to be greater than the one before it on a vacant seat; default one more. */
  readonly generation?: number | undefined
  /**
   * Where to begin: the next record, the oldest one that is retained, or a position that was stored. On a vacant seat, never before
   * its own cursor; the default is that cursor there, else `latest`.
   */
  readonly from?: "latest" | "earliest" | number | undefined
  /** Default `block`. */
  readonly whenSlow?: "block" | "dropOldest" | "detach" | undefined
  /** Default `auto`. */
  readonly commit?: "auto" | "manual" | undefined
  /** Count what is taken, gaps, empty polls and the greatest lag; default off, and then it costs nothing. */
  readonly counters?: boolean | undefined
}
