/*
 * Class indices of every integer type: part of vector_template.h. The loops are the compiler's to
 * turn into vectors.
 */
/* Without branches on the values: what is ignored and what is invalid is not predictable. */
#define READERS(name, type, wide)                                                                  \
	static void ISA(read_##name)(const void *data, size_t n, const struct target_range *range, \
				     int64_t *classes)                                             \
	{                                                                                          \
		for (size_t i = 0; i < n; i++) {                                                   \
			uint64_t value = (uint64_t)(wide)((const type *)data)[i];                  \
			bool ignored = range->can_be_ignored & (value == range->ignored);          \
			int64_t class = value < range->classes ? (int64_t)value : TARGET_INVALID;  \
			classes[i] = ignored ? TARGET_IGNORED : class;                             \
		}                                                                                  \
	}                                                                                          \
	static bool ISA(count_##name)(const void *data, size_t n,                                  \
				      const struct target_range *range, size_t *count)             \
	{                                                                                          \
		size_t ignored = 0, valid = 0;                                                     \
		for (size_t i = 0; i < n; i++) {                                                   \
			uint64_t value = (uint64_t)(wide)((const type *)data)[i];                  \
			bool is_ignored = range->can_be_ignored & (value == range->ignored);       \
			ignored += is_ignored;                                                     \
			valid += is_ignored | (value < range->classes);                            \
		}                                                                                  \
		*count += ignored;                                                                 \
		return valid == n;                                                                 \
	}

READERS(i64, int64_t, int64_t)
READERS(i32, int32_t, int64_t)
READERS(i16, int16_t, int64_t)
READERS(i8, int8_t, int64_t)
READERS(u64, uint64_t, uint64_t)
READERS(u32, uint32_t, uint64_t)
READERS(u16, uint16_t, uint64_t)
READERS(u8, uint8_t, uint64_t)

#define READER(name)                                                                               \
	{                                                                                          \
		ISA(read_##name), ISA(count_##name)                                                \
	}
#define TARGET_READERS                                                                             \
	{                                                                                          \
		[LOSS_I64] = READER(i64), [LOSS_I32] = READER(i32), [LOSS_I16] = READER(i16),      \
		[LOSS_I8] = READER(i8), [LOSS_U64] = READER(u64), [LOSS_U32] = READER(u32),        \
		[LOSS_U16] = READER(u16), [LOSS_U8] = READER(u8),                                  \
	}
