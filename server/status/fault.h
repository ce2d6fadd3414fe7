/*
 * What is wrong with a request: of several errors the one that takes precedence (status.h), of
 * equal ones the first; and beside it, for who wants to mend all at once, the others of its stage
 * that do not depend on it: those of other fields. A text is read on after an error, and a text of
 * a million errors makes a few sentences: claim a place first, then make the sentence.
 */
#ifndef LOSSD_FAULT_H
#define LOSSD_FAULT_H

#include "status.h"

struct fault_entry;

struct fault {
	struct loss_error error; /* status LOSS_OK: nothing is wrong */
	char member[64]; /* where in its field it is, as its owner has set it; "": all of it */
	/* Of the others, LOSS_MAX_ERRORS - 1 at most. NULL: none are kept. */
	struct loss_arena *arena;
	struct fault_entry *others; /* in the order in which they were found */
	size_t n_others;
};

/* Where an error of this status is to be written, by loss_fail; NULL where it would not be kept,
 * and then nothing is to be spent on its sentence. */
struct loss_error *fault_claim(struct fault *fault, loss_status status);
/* The same of an error in that field (terminated; its first bytes count, as struct loss_error has
 * them): also where it would be one of the others. */
struct loss_error *fault_claim_field(struct fault *fault, loss_status status, const char *field);
/* Says where in its field the error is that was just claimed. */
void fault_set_member(struct fault *fault, const struct loss_error *claimed, const char *member);
/* That of an error that is kept; "" where there is none. */
const char *fault_member(const struct fault *fault, const struct loss_error *err);
/* Keeps a copy of what a check returned and wrote, and of what comes after it (loss_error.more), as
 * far as it goes before what is kept or stands beside it. `err` is not read where the check found
 * nothing (LOSS_OK). */
void fault_note(struct fault *fault, loss_status status, const struct loss_error *err);
/* Notes that the arena had no memory. */
void fault_note_memory(struct fault *fault, const struct loss_arena *arena);

/* There is no memory, or no right: nothing that follows matters. */
bool fault_is_fatal(const struct fault *fault);
/* Copies what is kept to *err, the others after it, unless it is nothing; returns its status. */
loss_status fault_report(const struct fault *fault, struct loss_error *err);

#endif
