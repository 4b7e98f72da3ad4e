/**
 * What a check of the tree reports.
 *
 * @internal
 */
export interface Violation {
  readonly file: string
  readonly line: number
  readonly rule: string
  readonly message: string
}
