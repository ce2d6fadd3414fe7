/*
 * Totals with states out of JSON, merged as they come: {"totals": [{..., "state": "..."}, ...]}, a
 * whole reply, {..., "totals": {..., "state": "..."}}, or an array of either's entries or of whole
 * replies. What else stands in them is not looked at. Texts may come in pieces of any size, and
 * several, one after the other; memory does not grow with them but by the longest state.
 */
#ifndef LOSSD_CODEC_TOTALS_IN_H
#define LOSSD_CODEC_TOTALS_IN_H

#include "loss.h"

struct totals_in;

/* For states of as many groups at most; NULL when there is no memory. */
struct totals_in *totals_in_create(struct loss_arena *arena, uint64_t max_elements);
/* A text begins: after totals_in_create, and after totals_in_end. */
void totals_in_feed(struct totals_in *in, const unsigned char *bytes, size_t n);
/*
 * The text is complete: what is wrong with it, if anything. The errors of json_scan_finish;
 * LOSS_WRONG_TYPE, LOSS_DUPLICATE_FIELD, LOSS_UNKNOWN_FIELD beside a list of totals,
 * LOSS_MISSING_FIELD where an entry has no state; those of loss_merger_add.
 */
loss_status totals_in_end(struct totals_in *in, struct loss_error *err);
/* Where the error that it told last is: a JSON Pointer, or "". */
const char *totals_in_pointer(const struct totals_in *in);

/* What all states of all texts come to. */
loss_status totals_in_finish(struct totals_in *in, struct loss_result *result,
			     struct loss_error *err);

#endif
