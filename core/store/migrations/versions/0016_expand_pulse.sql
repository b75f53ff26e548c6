-- When landing listened: silence proves nothing about minutes in which Meta could not reach us.

create table raw.landing_pulses (
    -- Five seconds in which some API process could have stored a webhook.
    bucket timestamptz primary key
);
grant select, insert on raw.landing_pulses to carteiro_app;
grant select, insert, delete on raw.landing_pulses to carteiro_worker;
grant select on raw.landing_pulses to carteiro_data, carteiro_operator;
