//! Values of a message ⇄ values of JavaScript, without losing a digit.
//!
//! | JSON                                   | JavaScript | back                                              |
//! |----------------------------------------|------------|---------------------------------------------------|
//! | an integer that a double holds         | Number     | the same                                          |
//! | a larger one                           | BigInt     | the same; arithmetic with a Number throws         |
//! | with a point or an exponent            | Number     | as it was written, where the double comes out     |

use std::rc::Rc;

use jaq_json::{Map, Num, Val};
use rquickjs::{Array, Ctx, Filter, Function, Object, String as Text, Value};

use super::JavaScript;
use crate::{
    DEPTH,
    failure::Why,
    number::{Ambiguous, Originals, SAFE},
};

/// What a value costs besides its text.
const COST: usize = 16;

pub(super) struct Writer<'w, 'js> {
    script: &'w JavaScript,
    ctx: &'w Ctx<'js>,
    prelude: &'w Object<'js>,
    /// The prototype of objects that are Maps too.
    both: Option<Object<'js>>,
    originals: Originals,
}

impl<'w, 'js> Writer<'w, 'js> {
    pub(super) fn new(script: &'w JavaScript, ctx: &'w Ctx<'js>, prelude: &'w Object<'js>) -> Self {
        let both = if script.script.maps { prelude.get("both").ok() } else { None };
        Self { script, ctx, prelude, both, originals: Originals::default() }
    }

    pub(super) fn originals(self) -> Originals {
        self.originals
    }

    pub(super) fn value(&mut self, value: &Val) -> Result<Value<'js>, Why> {
        let ctx = self.ctx.clone();
        Ok(match value {
            Val::Null => Value::new_null(ctx),
            Val::Bool(value) => Value::new_bool(ctx, *value),
            Val::Num(number) => self.number(number)?,
            Val::TStr(text) => {
                let text = std::str::from_utf8(text)
                    .map_err(|_| Why::Value("a string that isn't UTF-8".into()))?;
                self.done(|ctx| Text::from_str(ctx, text))?.into_value()
            }
            Val::BStr(_) => return Err(Why::Value("a string of bytes".into())),
            Val::Arr(items) => self.list(items)?,
            Val::Obj(members) => self.object(members)?,
        })
    }

    pub(super) fn list(&mut self, items: &[Val]) -> Result<Value<'js>, Why> {
        let array = self.done(Array::new)?;
        for (at, item) in items.iter().enumerate() {
            let item = self.value(item)?;
            self.done(|_| array.set(at, item))?;
        }
        Ok(array.into_value())
    }

    fn object(&mut self, members: &Map) -> Result<Value<'js>, Why> {
        let object = match &self.both {
            Some(both) => self.done(|ctx| Object::new_proto(ctx, Some(both)))?,
            None => self.done(Object::new)?,
        };
        for (name, member) in members {
            let Val::TStr(name) = name else {
                return Err(Why::Value("an object with a name that is no string".into()));
            };
            let name = std::str::from_utf8(name)
                .map_err(|_| Why::Value("a name that isn't UTF-8".into()))?;
            let member = self.value(member)?;
            // Names that the prototype has a setter for.
            if matches!(name, "__proto__" | "size") {
                let define: Function<'_> = self.done(|_| self.prelude.get("define"))?;
                self.done(|_| define.call::<_, ()>((object.clone(), name, member)))?;
                continue;
            }
            self.done(|_| object.set(name, member))?;
        }
        Ok(object.into_value())
    }

    fn number(&mut self, number: &Num) -> Result<Value<'js>, Why> {
        let ctx = self.ctx.clone();
        Ok(match number {
            Num::Int(int) => match (i32::try_from(*int), *int as i64) {
                (Ok(small), _) => Value::new_int(ctx, small),
                (_, int) if (-SAFE..=SAFE).contains(&int) => {
                    Value::new_float(ctx, self.take(&int.to_string())?)
                }
                (_, int) => self.done(|ctx| Value::new_big_int(ctx, int))?,
            },
            Num::BigInt(int) => {
                let big: Function<'_> = self.done(|_| self.prelude.get("big"))?;
                self.done(|_| big.call((int.to_string(),)))?
            }
            Num::Float(double) => Value::new_float(ctx, *double),
            Num::Dec(text) => {
                let double = self.take(text)?;
                match double.fract() == 0.0 {
                    true => {
                        let make: Function<'_> = self.done(|_| self.prelude.get("double"))?;
                        self.done(|_| make.call((double,)))?
                    }
                    false => Value::new_float(ctx, double),
                }
            }
        })
    }

    fn take(&mut self, text: &str) -> Result<f64, Why> {
        self.originals.take(text).map_err(|Ambiguous(a, b)| Why::Numbers(a, b))
    }

    fn done<T>(&self, act: impl FnOnce(Ctx<'js>) -> rquickjs::Result<T>) -> Result<T, Why> {
        self.script.caught(self.ctx, |ctx| act(ctx.clone()))
    }
}

pub(super) struct Reader<'r, 'js> {
    pub(super) script: &'r JavaScript,
    pub(super) ctx: &'r Ctx<'js>,
    pub(super) prelude: &'r Object<'js>,
    pub(super) originals: Originals,
    /// Bytes of what was read so far, about.
    pub(super) held: usize,
}

impl<'js> Reader<'_, 'js> {
    pub(super) fn value(&mut self, value: &Value<'js>, depth: usize) -> Result<Val, Why> {
        self.count(COST)?;
        if depth > DEPTH + 1 {
            return Err(Why::Deep);
        }
        if let Some(int) = value.as_int() {
            return Ok(Val::Num(Num::Int(int as isize)));
        }
        if let Some(double) = value.as_float() {
            return self.double(double);
        }
        if let Some(value) = value.as_bool() {
            return Ok(Val::Bool(value));
        }
        if value.is_null() {
            return Ok(Val::Null);
        }
        if let Some(text) = value.as_string() {
            let text = self.text(text)?;
            return Ok(Val::utf8_str(text));
        }
        if value.is_big_int() {
            let text: Function<'_> = self.done(|| self.prelude.get("text"))?;
            let digits: String = self.done(|| text.call((value.clone(),)))?;
            self.count(digits.len())?;
            let number = Num::from_str_radix(&digits, 10);
            return number.map(Val::Num).ok_or_else(|| Why::Value("a BigInt".into()));
        }
        if let Some(array) = value.as_array() {
            let mut items = Vec::new();
            for item in array.iter::<Value<'js>>() {
                let item = self.done(|| item)?;
                items.push(match is_nothing(&item) {
                    true => Val::Null, // as in JSON.stringify
                    false => self.value(&item, depth + 1)?,
                });
            }
            return Ok(Val::Arr(Rc::new(items)));
        }
        match value.as_object() {
            Some(object) if !value.is_function() => self.object(object, depth),
            _ => Err(Why::Value(format!("a value of type {}", value.type_name()))),
        }
    }

    fn object(&mut self, object: &Object<'js>, depth: usize) -> Result<Val, Why> {
        if !self.is_plain(object)? {
            let simple: Function<'_> = self.done(|| self.prelude.get("simple"))?;
            let read: Option<Array<'js>> = self.done(|| simple.call((object.clone(),)))?;
            if let Some(read) = read {
                let value: Value<'js> = self.done(|| read.get(1))?;
                return match self.done(|| read.get(0))? {
                    true => self.entries(&value, depth),
                    false => self.value(&value, depth + 1),
                };
            }
        }
        let mut members = Map::default();
        let filter = Filter::new().string().enum_only();
        for member in object.own_props::<Text<'js>, Value<'js>>(filter) {
            let (name, member) = self.done(|| member)?;
            self.member(&mut members, &name, &member, depth)?;
        }
        Ok(Val::obj(members))
    }

    /// A Map that the script made.
    fn entries(&mut self, entries: &Value<'js>, depth: usize) -> Result<Val, Why> {
        let entries: Vec<Array<'js>> = self.done(|| entries.get())?;
        let mut members = Map::default();
        for entry in entries {
            let name: Value<'js> = self.done(|| entry.get(0))?;
            let Some(name) = name.as_string() else {
                return Err(Why::Value("a Map with a key that is no string".into()));
            };
            let member = self.done(|| entry.get(1))?;
            self.member(&mut members, name, &member, depth)?;
        }
        Ok(Val::obj(members))
    }

    fn member(
        &mut self,
        members: &mut Map,
        name: &Text<'js>,
        member: &Value<'js>,
        depth: usize,
    ) -> Result<(), Why> {
        if member.is_undefined() {
            return Ok(()); // as in JSON.stringify
        }
        let name = self.text(name)?;
        members.insert(Val::utf8_str(name), self.value(member, depth + 1)?);
        Ok(())
    }

    fn is_plain(&self, object: &Object<'js>) -> Result<bool, Why> {
        let Some(prototype) = object.get_prototype() else { return Ok(true) };
        if self.script.script.maps {
            let both: Object<'js> = self.done(|| self.prelude.get("both"))?;
            if both == prototype {
                return Ok(true);
            }
        }
        // The prelude is a plain object.
        Ok(self.prelude.get_prototype().is_some_and(|plain| plain == prototype)
            && !object.contains_key("toJSON").unwrap_or(true))
    }

    fn double(&self, double: f64) -> Result<Val, Why> {
        if let Some(text) = self.originals.text_of(double) {
            let number = Num::from_str_radix(text, 10);
            return Ok(Val::Num(number.unwrap_or_else(|| Num::Dec(Rc::new(text.to_owned())))));
        }
        match double.is_finite() {
            true => Ok(Val::Num(Num::Float(double))),
            false => Err(Why::Value(format!("the number {double}"))),
        }
    }

    fn text(&mut self, text: &Text<'js>) -> Result<String, Why> {
        let text = text.to_string().map_err(|error| match error {
            rquickjs::Error::Utf8(_) => Why::Value("half of a surrogate pair".into()),
            error => Why::Failed(error.to_string()),
        })?;
        self.count(text.len())?;
        Ok(text)
    }

    fn count(&mut self, bytes: usize) -> Result<(), Why> {
        self.held += bytes;
        match self.held > self.script.limits.memory {
            true => Err(Why::Memory(self.script.limits.memory)),
            false => Ok(()),
        }
    }

    fn done<T>(&self, act: impl FnOnce() -> rquickjs::Result<T>) -> Result<T, Why> {
        self.script.caught(self.ctx, |_| act())
    }
}

fn is_nothing(value: &Value<'_>) -> bool {
    value.is_undefined()
}
