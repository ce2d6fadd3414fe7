/*
 * The classes of rows between memory and the kernels, where these do not take them as they lie:
 * converted and transformed, once, as they are loaded; rounded, once, as results are stored. Arrays
 * of numbers that the kernels fill are aligned to 64 bytes.
 */
#ifndef LOSS_KERNEL_TILES_H
#define LOSS_KERNEL_TILES_H

#include "rows.h"

/* Classes of one row that are taken at a time where they go through a buffer. */
#define ROW_CLASSES (4 * CLASSES_TOGETHER)

/* The next classes of sixteen rows that have many: as many as a tile has. */
#define APART_CLASSES ((size_t)FEW_CLASSES)
_Static_assert(FEW_CLASSES % CLASSES_TOGETHER == 0, "they are summed as those of rows are");

/* Outputs of this size and more do not fit a cache beside the input: they are written past it. */
#define STREAM_BYTES ((size_t)1 << 26)

/* Whether a tensor of the input's shape has the vectors of a tile as it lies: of sixteen
 * neighbours, `inner` elements from a class to the next. And those vectors. */
bool tile_lies_in(const struct rows *rows, const struct loss_tensor *tensor);
struct vectors tile_in(const struct rows *rows, const struct loss_tensor *tensor);

/* All of few classes into rows->tile, unless they are there. */
void tile_load(struct rows *rows);
/* The same, and the slopes of the transform, anew. */
void tile_load_slopes(struct rows *rows, void *slopes);
/* The same classes of a tensor of the input's shape whose elements are exactly numbers, and whose
 * rows are `ahead` elements ahead. */
void tile_load_beside(const struct rows *rows, const struct loss_tensor *tensor, size_t ahead,
		      void *tile);
/* Numbers in the place of rows->tile to a tensor of the input's shape. */
void tile_store(const struct rows *rows, const void *numbers, const struct loss_tensor *out);

/* n classes from c on of one contiguous row, and its slopes where asked for: in place, or in the
 * buffer where the plan is not in place, or where a last vector is not full. */
struct vectors row_load(const struct rows *rows, size_t lane, size_t c, size_t n, void *buffer,
			void *slopes);

/* n elements, whole vectors of them, of such a tensor from index `at` on. */
struct vectors row_load_beside(const struct rows *rows, const struct loss_tensor *tensor, size_t at,
			       size_t n, void *buffer);

/* n <= APART_CLASSES classes from c on of rows apart, lane by lane, APART_CLASSES numbers from one
 * to the next; their slopes class by class, and those that what is stored is multiplied by, NULL
 * where there are none. */
void apart_load(const struct rows *rows, size_t c, size_t n, void *numbers, void *slopes);
void apart_store(const struct rows *rows, size_t c, size_t n, const void *numbers,
		 const void *slopes, const struct loss_tensor *out);

/* And of a tensor that tile_load_beside takes. */
void apart_load_beside(const struct rows *rows, const struct loss_tensor *tensor, size_t c,
		       size_t n, void *numbers);

/* Elements as they are, n of each lane from its place on, `step` apart, lane by lane of each; a
 * step of 0 is for a single one. */
void elements_gather(const struct loss_tensor *tensor, const size_t *places, size_t step, size_t n,
		     void *to);

/* Where class c of each lane is in the input. */
void rows_places(const struct rows *rows, size_t c, size_t *places);

#endif
