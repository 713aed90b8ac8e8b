using System.Collections;
using System.Globalization;
using System.Reflection;
using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Tests.Protocol;

/// <summary>Messages with random contents, made and read by reflection: a field that a format forgets can't hide.</summary>
/// <param name="random">Where contents come from.</param>
/// <param name="actor">Stands for every actor.</param>
internal sealed class AnyMessage(Random random, IActorRef actor)
{
    public object Of(Type type) => Make(type, random.Next(4));

    /// <summary>Every property of every part, by name.</summary>
    public static string Contents(object? value) => value switch
    {
        null => "null",
        string text => $"'{text}'",
        IActorRef actor => actor.Path.ToString(),
        float number => number.ToString("R", CultureInfo.InvariantCulture),
        double number => number.ToString("R", CultureInfo.InvariantCulture),
        IEnumerable values => $"[{string.Join(", ", values.Cast<object?>().Select(Contents))}]",
        _ when value.GetType().IsPrimitive || value.GetType().IsEnum || value is TimeSpan => $"{value}",
        _ => $"{value.GetType().Name}({string.Join(", ", Properties(value.GetType()).Select(property => $"{property.Name}={Contents(property.GetValue(value))}"))})",
    };

    /// <param name="type">What is wanted.</param>
    /// <param name="length">Of its arrays: those of one message that belong together are as long as each other.</param>
    private object Make(Type type, int length)
    {
        if (type == typeof(int))
            return random.Next(int.MinValue, int.MaxValue);
        if (type == typeof(long))
            return random.NextInt64(long.MinValue, long.MaxValue);
        if (type == typeof(ulong))
            return (ulong)random.NextInt64(long.MinValue, long.MaxValue);
        if (type == typeof(float))
            return (float)random.NextDouble();
        if (type == typeof(double))
            return random.NextDouble();
        if (type == typeof(bool))
            return random.Next(2) == 1;
        if (type == typeof(string))
            return string.Concat(Enumerable.Range(0, random.Next(6)).Select(_ => "aé漢\n"[random.Next(4)]));
        if (type == typeof(byte[]))
            return Enumerable.Range(0, 16).Select(_ => (byte)random.Next(256)).ToArray();
        if (type == typeof(TimeSpan))
            return TimeSpan.FromTicks(random.NextInt64(1, 1L << 50));
        if (type == typeof(IActorRef))
            return actor;
        if (type == typeof(SchedulerEpoch))
            return new SchedulerEpoch(random.NextInt64(SchedulerEpoch.Largest.Value + 1));
        if (type == typeof(OfferedGroup))
            return new OfferedGroup((GroupId)Make(typeof(GroupId), length), random.Next(1, WireLimits.MaxCount + 1));
        if (type.IsEnum)
            return type.GetEnumValues().GetValue(random.Next(type.GetEnumValues().Length))!;
        if (type.IsArray)
            return ArrayOf(type.GetElementType()!, length);
        return Nullable.GetUnderlyingType(type) is { } underlying ? Make(underlying, length) : Record(type);
    }

    private Array ArrayOf(Type element, int length)
    {
        var values = Array.CreateInstance(element, length);
        for (var i = 0; i < length; i++)
            values.SetValue(Make(element, random.Next(4)), i);
        return values;
    }

    private object Record(Type type)
    {
        var length = random.Next(4);
        var constructor = type.GetConstructors().OrderByDescending(candidate => candidate.GetParameters().Length).First();
        var made = constructor.Invoke([.. constructor.GetParameters().Select(parameter => Optional(parameter, length))]);
        if (constructor.GetParameters().Length > 0)
            return made;
        foreach (var property in Properties(type).Where(property => property.CanWrite))
            property.SetValue(made, Make(property.PropertyType, length));
        return made;
    }

    private object? Optional(ParameterInfo parameter, int length)
    {
        var canBeNull = Nullable.GetUnderlyingType(parameter.ParameterType) is not null
            || new NullabilityInfoContext().Create(parameter).WriteState == NullabilityState.Nullable;
        return canBeNull && random.Next(2) == 0 ? null : Make(parameter.ParameterType, length);
    }

    private static IEnumerable<PropertyInfo> Properties(Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.GetIndexParameters().Length == 0);
}
