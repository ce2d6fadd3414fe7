/* The templates that follow are about logits held as doubles. */
#undef NUMBER
#undef FIELD
#undef NVEC
#undef NV
#undef OF
#undef OFFSET
#undef HEADROOM
#undef RANGE
#undef MAGIC
#undef IS_WIDE
#define NUMBER double
#define FIELD d
#define NVEC vw
#define NV(name) vw_##name
#define OF(name) name##_of_doubles
#define IS_WIDE 1
/* The range is wider, so that no row within a double's range loses a digit. */
#define OFFSET 400.0
#define HEADROOM 300.0
#define RANGE 800.0
#define MAGIC 0x1.8p52
#undef UNIT
#define UNIT 0x1p400 /* 2^OFFSET */
