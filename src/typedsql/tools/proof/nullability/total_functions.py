"""Functions of PostgreSQL that return NULL only where an argument is NULL.

A kept list, by name: that a function is strict says what it does with NULL, not that it
never returns it. ``tests/proof/test_functions.py`` calls every function listed here with
infinities, NaN, empty strings, empty arrays and extremes on a running server.

The list stands for all overloads of a name but those that are excepted.
"""

from typing import Final

# Comparisons of what is there, and casts.
_BOOLEANS: Final = """
    booleq boolge boolgt boolle boollt boolne int4 text
"""
# Arithmetic has NaN and infinities as values, and raises an error where it has none.
_NUMBERS: Final = """
    abs acos acosd acosh age asin asind asinh atan atan2 atan2d atand atanh bit bool bytea
    cash_cmp cash_div_cash cash_div_flt4 cash_div_flt8 cash_div_int2 cash_div_int4
    cash_div_int8 cash_eq cash_ge cash_gt cash_le cash_lt cash_mi cash_mul_flt4 cash_mul_flt8
    cash_mul_int2 cash_mul_int4 cash_mul_int8 cash_ne cash_pl cashlarger cashsmaller cbrt ceil
    ceiling char chr cos cosd cosh cot cotd currval dcbrt degrees dexp div dlog1 dlog10 dpow
    dround dsqrt dtrunc erf erfc exp factorial float4 float48div float48eq float48ge float48gt
    float48le float48lt float48mi float48mul float48ne float48pl float4abs float4div float4eq
    float4ge float4gt float4larger float4le float4lt float4mi float4mul float4ne float4pl
    float4smaller float4um float4up float8 float84div float84eq float84ge float84gt float84le
    float84lt float84mi float84mul float84ne float84pl float8abs float8div float8eq float8ge
    float8gt float8larger float8le float8lt float8mi float8mul float8ne float8pl float8smaller
    float8um float8up floor flt4_mul_cash flt8_mul_cash gamma gcd int2 int24div int24eq
    int24ge int24gt int24le int24lt int24mi int24mul int24ne int24pl int28div int28eq int28ge
    int28gt int28le int28lt int28mi int28mul int28ne int28pl int2_mul_cash int2abs int2and
    int2div int2eq int2ge int2gt int2larger int2le int2lt int2mi int2mod int2mul int2ne
    int2not int2or int2pl int2shl int2shr int2smaller int2um int2up int2xor int42div int42eq
    int42ge int42gt int42le int42lt int42mi int42mul int42ne int42pl int48div int48eq int48ge
    int48gt int48le int48lt int48mi int48mul int48ne int48pl int4_mul_cash int4abs int4and
    int4div int4eq int4ge int4gt int4larger int4le int4lt int4mi int4mod int4mul int4ne
    int4not int4or int4pl int4shl int4shr int4smaller int4um int4up int4xor int8 int82div
    int82eq int82ge int82gt int82le int82lt int82mi int82mul int82ne int82pl int84div int84eq
    int84ge int84gt int84le int84lt int84mi int84mul int84ne int84pl int8_mul_cash int8abs
    int8and int8div int8eq int8ge int8gt int8larger int8le int8lt int8mi int8mod int8mul
    int8ne int8not int8or int8pl int8pl_inet int8shl int8shr int8smaller int8um int8up int8xor
    integer_pl_date lastval lcm lgamma ln log log10 make_date make_interval make_time
    make_timestamp make_timestamptz mod money mul_d_interval nextval numeric numeric_abs
    numeric_add numeric_cmp numeric_div numeric_div_trunc numeric_eq numeric_exp numeric_ge
    numeric_gt numeric_larger numeric_le numeric_ln numeric_log numeric_lt numeric_mod
    numeric_mul numeric_ne numeric_pl_pg_lsn numeric_power numeric_smaller numeric_sqrt
    numeric_sub numeric_uminus numeric_uplus oid oideq oidge oidgt oidlarger oidle oidlt oidne
    oidsmaller point polygon pow power radians random random_normal round setval sign sin sind
    sinh sqrt tan tand tanh tideq tidge tidgt tidlarger tidle tidlt tidne tidsmaller to_bin
    to_char to_hex to_oct to_timestamp trim_scale trunc width_bucket xid xid8_larger
    xid8_smaller xid8cmp xid8eq xid8ge xid8gt xid8le xid8lt xid8ne xideq xideqint4 xidneq
    xidneqint4
"""
# A text is never NULL for being empty; patterns that do not match are false.
_TEXTS: Final = """
    anytextcat ascii bit_length bpchar bpchar_larger bpchar_pattern_ge bpchar_pattern_gt
    bpchar_pattern_le bpchar_pattern_lt bpchar_smaller bpcharcmp bpchareq bpcharge bpchargt
    bpchariclike bpcharicnlike bpcharicregexeq bpcharicregexne bpcharle bpcharlike bpcharlt
    bpcharne bpcharnlike bpcharregexeq bpcharregexne casefold char_length character_length
    chareq charge chargt charle charlt charne concat concat_ws date_trunc format initcap
    is_normalized left length like like_escape lower lpad ltrim md5 name nameconcatoid nameeq
    nameeqtext namege namegetext namegt namegttext nameiclike nameicnlike nameicregexeq
    nameicregexne namele nameletext namelike namelt namelttext namene namenetext namenlike
    nameregexeq nameregexne normalize notlike num_nonnulls num_nulls octet_length overlay
    parse_ident phraseto_tsquery plainto_tsquery position quote_ident quote_literal
    quote_nullable regexp_count regexp_instr regexp_like regexp_replace regexp_split_to_array
    repeat replace reverse right rpad rtrim similar_to_escape split_part starts_with strpos
    substr substring text_ge text_gt text_larger text_le text_lt text_pattern_ge
    text_pattern_gt text_pattern_le text_pattern_lt text_smaller textanycat textcat texteq
    texteqname textgename textgtname texticlike texticnlike texticregexeq texticregexne
    textlen textlename textlike textltname textne textnename textnlike textregexeq textregexne
    timezone to_ascii to_date to_tsquery to_tsvector translate ts_headline ts_match_tq
    ts_match_tt unicode_assigned unistr upper varchar websearch_to_tsquery
"""
# Bits and bytes are all there, or it is an error that they are not.
_BYTES: Final = """
    bit_count bitand bitcat bitcmp biteq bitge bitgt bitle bitlt bitne bitnot bitor
    bitshiftleft bitshiftright bitxor bytea_larger bytea_smaller byteacat byteacmp byteaeq
    byteage byteagt byteale bytealike bytealt byteane byteanlike convert_from convert_to crc32
    crc32c decode encode gen_random_uuid get_byte set_bit set_byte sha224 sha256 sha384 sha512
    uuid_cmp uuid_eq uuid_ge uuid_gt uuid_le uuid_lt uuid_ne uuidv4 uuidv7 varbit varbitcmp
    varbiteq varbitge varbitgt varbitle varbitlt varbitne
"""
# Times have infinities as values; what has none for them is excepted below.
_TIMES: Final = """
    clock_timestamp date date_add date_bin date_cmp date_cmp_timestamp date_cmp_timestamptz
    date_eq date_eq_timestamp date_eq_timestamptz date_ge date_ge_timestamp
    date_ge_timestamptz date_gt date_gt_timestamp date_gt_timestamptz date_larger date_le
    date_le_timestamp date_le_timestamptz date_lt date_lt_timestamp date_lt_timestamptz
    date_mi date_mi_interval date_mii date_ne date_ne_timestamp date_ne_timestamptz
    date_pl_interval date_pli date_smaller date_subtract datetime_pl datetimetz_pl interval
    interval_cmp interval_div interval_eq interval_ge interval_gt interval_larger interval_le
    interval_lt interval_mi interval_mul interval_ne interval_pl interval_pl_date
    interval_pl_time interval_pl_timestamp interval_pl_timestamptz interval_pl_timetz
    interval_smaller interval_um isfinite justify_days justify_hours justify_interval overlaps
    time time_cmp time_eq time_ge time_gt time_larger time_le time_lt time_mi_interval
    time_mi_time time_ne time_pl_interval time_smaller timedate_pl timeofday timestamp
    timestamp_cmp timestamp_cmp_date timestamp_cmp_timestamptz timestamp_eq timestamp_eq_date
    timestamp_eq_timestamptz timestamp_ge timestamp_ge_date timestamp_ge_timestamptz
    timestamp_gt timestamp_gt_date timestamp_gt_timestamptz timestamp_larger timestamp_le
    timestamp_le_date timestamp_le_timestamptz timestamp_lt timestamp_lt_date
    timestamp_lt_timestamptz timestamp_mi timestamp_mi_interval timestamp_ne timestamp_ne_date
    timestamp_ne_timestamptz timestamp_pl_interval timestamp_smaller timestamptz
    timestamptz_cmp timestamptz_cmp_date timestamptz_cmp_timestamp timestamptz_eq
    timestamptz_eq_date timestamptz_eq_timestamp timestamptz_ge timestamptz_ge_date
    timestamptz_ge_timestamp timestamptz_gt timestamptz_gt_date timestamptz_gt_timestamp
    timestamptz_larger timestamptz_le timestamptz_le_date timestamptz_le_timestamp
    timestamptz_lt timestamptz_lt_date timestamptz_lt_timestamp timestamptz_mi
    timestamptz_mi_interval timestamptz_ne timestamptz_ne_date timestamptz_ne_timestamp
    timestamptz_pl_interval timestamptz_smaller timetz timetz_cmp timetz_eq timetz_ge
    timetz_gt timetz_larger timetz_le timetz_lt timetz_mi_interval timetz_ne
    timetz_pl_interval timetz_smaller timetzdate_pl
"""
# JSON's null is a value. Getting a member is not in the list: there may be none.
_DOCUMENTS: Final = """
    json_array_length json_build_array json_build_object json_object json_strip_nulls
    json_to_tsvector json_typeof jsonb_array_length jsonb_build_array jsonb_build_object
    jsonb_cmp jsonb_concat jsonb_contained jsonb_contains jsonb_delete jsonb_delete_path
    jsonb_eq jsonb_exists jsonb_exists_all jsonb_exists_any jsonb_ge jsonb_gt jsonb_insert
    jsonb_le jsonb_lt jsonb_ne jsonb_path_query_array jsonb_path_query_array_tz jsonb_pretty
    jsonb_set jsonb_strip_nulls jsonb_to_tsvector jsonb_typeof row_to_json
"""
# Elements may be NULL, the array itself is not. Bounds of an empty one are.
_ARRAYS: Final = """
    array_append array_cat array_eq array_fill array_ge array_gt array_larger array_le
    array_lt array_ne array_positions array_prepend array_remove array_replace array_reverse
    array_sample array_shuffle array_smaller array_sort array_to_json array_to_string
    array_to_tsvector arraycontained arraycontains arrayoverlap cardinality jsonb_object
    string_to_array trim_array
"""
# What an empty or unbounded range lacks is excepted below.
_RANGES: Final = """
    datemultirange daterange daterange_canonical elem_contained_by_multirange
    elem_contained_by_range int4multirange int4range int4range_canonical int8multirange
    int8range int8range_canonical isempty lower_inc lower_inf multirange
    multirange_adjacent_multirange multirange_adjacent_range multirange_after_multirange
    multirange_after_range multirange_before_multirange multirange_before_range multirange_cmp
    multirange_contained_by_multirange multirange_contained_by_range multirange_contains_elem
    multirange_contains_multirange multirange_contains_range multirange_eq multirange_ge
    multirange_gt multirange_intersect multirange_le multirange_lt multirange_minus
    multirange_ne multirange_overlaps_multirange multirange_overlaps_range
    multirange_overleft_multirange multirange_overleft_range multirange_overright_multirange
    multirange_overright_range multirange_union nummultirange numrange range_adjacent
    range_adjacent_multirange range_after range_after_multirange range_before
    range_before_multirange range_cmp range_contained_by range_contained_by_multirange
    range_contains range_contains_elem range_contains_multirange range_eq range_ge range_gt
    range_intersect range_le range_lt range_merge range_minus range_ne range_overlaps
    range_overlaps_multirange range_overleft range_overleft_multirange range_overright
    range_overright_multirange range_union tsmultirange tsrange tstzmultirange tstzrange
    upper_inc upper_inf
"""
# Enums compare as numbers do.
_ENUMS: Final = """
    enum_cmp enum_eq enum_first enum_ge enum_gt enum_larger enum_last enum_le enum_lt enum_ne
    enum_range enum_smaller
"""
# Fields that are NULL compare as equal to each other, and above all others.
_RECORDS: Final = """
    btrecordcmp record_eq record_ge record_gt record_larger record_le record_lt record_ne
    record_smaller
"""
# Addresses have all their parts, or raise an error.
_NETWORK: Final = """
    abbrev broadcast cidr family host hostmask inet_merge inet_same_family inetand inetmi
    inetmi_int8 inetnot inetor inetpl macaddr8 macaddr8_and macaddr8_cmp macaddr8_eq
    macaddr8_ge macaddr8_gt macaddr8_le macaddr8_lt macaddr8_ne macaddr8_not macaddr8_or
    macaddr8_set7bit macaddr_and macaddr_cmp macaddr_eq macaddr_ge macaddr_gt macaddr_le
    macaddr_lt macaddr_ne macaddr_not macaddr_or masklen netmask network network_cmp
    network_eq network_ge network_gt network_larger network_le network_lt network_ne
    network_overlap network_smaller network_sub network_subeq network_sup network_supeq
    set_masklen
"""
# Comparisons and measures. Points where two shapes meet are excepted below.
_SHAPES: Final = """
    area bound_box box box_above box_above_eq box_add box_below box_below_eq box_center
    box_contain box_contain_pt box_contained box_distance box_div box_eq box_ge box_gt box_le
    box_left box_lt box_mul box_overabove box_overbelow box_overlap box_overleft box_overright
    box_right box_same box_sub center circle diagonal diameter dist_bp dist_bs dist_cpoint
    dist_cpoly dist_lp dist_ls dist_pathp dist_pb dist_pc dist_pl dist_polyc dist_polyp
    dist_ppath dist_ppoly dist_ps dist_sb dist_sl dist_sp height inter_sb inter_sl isclosed
    ishorizontal isopen isparallel isperp isvertical line line_distance line_eq
    line_horizontal line_intersect line_parallel line_perp line_vertical lseg lseg_center
    lseg_distance lseg_eq lseg_ge lseg_gt lseg_horizontal lseg_intersect lseg_le lseg_length
    lseg_lt lseg_ne lseg_parallel lseg_perp lseg_vertical npoints on_pb on_pl on_ppath on_ps
    on_sb on_sl path path_add_pt path_contain_pt path_distance path_div_pt path_inter
    path_length path_mul_pt path_n_eq path_n_ge path_n_gt path_n_le path_n_lt path_npoints
    path_sub_pt pclose point_above point_add point_below point_distance point_div point_eq
    point_horiz point_left point_mul point_ne point_right point_sub point_vert poly_above
    poly_below poly_center poly_contain poly_contain_pt poly_contained poly_distance poly_left
    poly_npoints poly_overabove poly_overbelow poly_overlap poly_overleft poly_overright
    poly_right poly_same popen pt_contained_circle pt_contained_poly radius slope width
"""
# Empty vectors and queries are values.
_SEARCH: Final = """
    numnode setweight strip ts_delete ts_match_qv ts_match_vq ts_rank ts_rank_cd ts_rewrite
    tsq_mcontained tsq_mcontains tsquery_and tsquery_cmp tsquery_eq tsquery_ge tsquery_gt
    tsquery_le tsquery_lt tsquery_ne tsquery_not tsquery_or tsquery_phrase tsvector_cmp
    tsvector_concat tsvector_eq tsvector_ge tsvector_gt tsvector_le tsvector_lt tsvector_ne
    tsvector_to_array
"""
# What every session has.
_SESSION: Final = """
    current_database current_setting current_schemas current_user now pg_advisory_unlock
    pg_backend_pid
    pg_column_size pg_current_xact_id pg_is_in_recovery pg_postmaster_start_time
    pg_size_pretty pg_try_advisory_lock pg_try_advisory_lock_shared pg_try_advisory_xact_lock
    pg_try_advisory_xact_lock_shared pg_typeof pi session_user set_config statement_timestamp
    to_json to_jsonb transaction_timestamp txid_current unicode_version version
"""

# By signature, with the names of pg_type; * is any list of arguments.
_EXCEPTED: Final = """
    array_dims(*) array_length(*) array_lower(*) array_ndims(*) array_position(*)
    array_upper(*) bool(jsonb) box_intersect(*) current_schema(*) float4(jsonb) float8(jsonb)
    int2(jsonb) int4(jsonb) int8(jsonb) numeric(jsonb) area(path) line_interpt(*)
    lseg_interpt(*) path_distance(*) dist_ppath(*) dist_pathp(*) lower(anyrange)
    upper(anyrange) lower(anymultirange)
    upper(anymultirange) min_scale(*) scale(*) path_add(*) substring(text,text)
    substring(text,text,text) time(timestamp) time(timestamptz) timetz(timestamptz)
    to_char(interval,text) to_char(timestamp,text) to_char(timestamptz,text) to_number(*)
    text(xml) system_user(*) current_setting(text,bool)
"""

TOTAL: Final[frozenset[str]] = frozenset(
    " ".join(
        (
            _BOOLEANS,
            _NUMBERS,
            _TEXTS,
            _BYTES,
            _TIMES,
            _DOCUMENTS,
            _ARRAYS,
            _RANGES,
            _ENUMS,
            _RECORDS,
            _NETWORK,
            _SHAPES,
            _SEARCH,
            _SESSION,
        )
    ).split()
)
"""Names of functions that are not NULL where none of their arguments is."""

EXCEPTED: Final[frozenset[str]] = frozenset(_EXCEPTED.split())
"""Signatures of overloads, ``name(type,type)`` or ``name(*)``, that are NULL for some values."""
