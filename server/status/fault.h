/*
 * What is wrong with a request: of several errors the one that takes precedence (status.h), of
 * equal ones the first. A text is read on after an error, and a text of a million errors makes one
 * sentence for each status at most: claim a place first, then make the sentence.
 */
#ifndef LOSSD_FAULT_H
#define LOSSD_FAULT_H

#include "status.h"

struct fault {
	struct loss_error error; /* status LOSS_OK: nothing is wrong */
};

/* Where an error of this status is to be written, by loss_fail; NULL where it would not be kept,
 * and then nothing is to be spent on its sentence. */
struct loss_error *fault_claim(struct fault *fault, loss_status status);
/* Keeps a copy of what a check returned and wrote, if it goes before what is kept. `err` is not
 * read where the check found nothing (LOSS_OK). */
void fault_note(struct fault *fault, loss_status status, const struct loss_error *err);
/* Notes that the arena had no memory. */
void fault_note_memory(struct fault *fault, const struct loss_arena *arena);

/* There is no memory, or no right: nothing that follows matters. */
bool fault_is_fatal(const struct fault *fault);
/* Copies what is kept to *err, unless it is nothing; returns its status. */
loss_status fault_report(const struct fault *fault, struct loss_error *err);

#endif
