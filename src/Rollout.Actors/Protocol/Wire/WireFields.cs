using System.Runtime.Serialization;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol.Wire;

/// <summary>Writes and reads the parts that several messages share.</summary>
internal static class WireFields
{
    /// <summary>Writes the number of values, then each value.</summary>
    public static void WriteEach<T>(ref WireWriter writer, IReadOnlyList<T> values, WriteFields<T> write)
    {
        writer.Count(values.Count);
        foreach (var value in values)
            write(ref writer, value);
    }

    public static T[] ReadEach<T>(ref WireReader reader, ReadFields<T> read)
    {
        var values = new T[reader.Count()];
        for (var i = 0; i < values.Length; i++)
            values[i] = read(ref reader);
        return values;
    }

    public static void WriteGroup(ref WireWriter writer, GroupId id)
    {
        writer.Whole(id.Value);
        writer.Whole(id.Client);
    }

    public static GroupId ReadGroup(ref WireReader reader) => new(reader.Whole64(), reader.Whole());

    public static void WriteHost(ref WireWriter writer, HostId host)
    {
        writer.Text(host.Address);
        writer.Whole(host.Uid);
    }

    public static HostId ReadHost(ref WireReader reader) => new(reader.Text(), reader.Whole());

    public static void WriteDecoder(ref WireWriter writer, DecoderId id)
    {
        WriteHost(ref writer, id.Host);
        writer.Text(id.Device);
    }

    public static DecoderId ReadDecoder(ref WireReader reader) => new(ReadHost(ref reader), reader.Text());

    public static void WriteEpoch(ref WireWriter writer, SchedulerEpoch epoch) => writer.Whole(epoch.Value);

    public static SchedulerEpoch ReadEpoch(ref WireReader reader) =>
        new(reader.Within(0, SchedulerEpoch.Largest.Value));

    public static void WriteVersion(ref WireWriter writer, PolicyVersion version) => writer.Whole(version.Value);

    public static PolicyVersion ReadVersion(ref WireReader reader) => new(reader.Whole());

    public static void WritePolicy(ref WireWriter writer, Policy policy)
    {
        writer.Whole(policy.Run);
        WriteVersion(ref writer, policy.Version);
    }

    public static Policy ReadPolicy(ref WireReader reader) => new(reader.Whole64(), ReadVersion(ref reader));

    public static void WriteOptionalPolicy(ref WireWriter writer, Policy? policy)
    {
        writer.Bool(policy is not null);
        if (policy is { } one)
            WritePolicy(ref writer, one);
    }

    public static Policy? ReadOptionalPolicy(ref WireReader reader) => reader.Bool() ? ReadPolicy(ref reader) : null;

    public static void WriteSpan(ref WireWriter writer, VersionSpan span)
    {
        WritePolicy(ref writer, span.Policy);
        writer.Whole(span.Start);
    }

    public static VersionSpan ReadSpan(ref WireReader reader) => new(ReadPolicy(ref reader), reader.Whole());

    public static void WriteSampled(ref WireWriter writer, SampledTokens sampled)
    {
        writer.Wholes(sampled.Tokens);
        writer.Numbers(sampled.Logprobs);
        WriteEach(ref writer, sampled.Versions, WriteSpan);
        writer.OptionalNumbers(sampled.SamplingLogprobs);
    }

    /// <summary>Refuses another number of log-probabilities than of tokens.</summary>
    public static SampledTokens ReadSampled(ref WireReader reader)
    {
        var sampled = new SampledTokens(
            reader.Wholes(), reader.Numbers(), ReadEach(ref reader, ReadSpan), reader.OptionalNumbers());
        var (tokens, logprobs) = (sampled.Count, sampled.Logprobs.Length);
        var sampling = sampled.SamplingLogprobs?.Length ?? tokens;
        return tokens == logprobs && tokens == sampling
            ? sampled
            : throw new SerializationException(
                $"{(tokens == logprobs ? sampling : logprobs)} log-probabilities of {tokens} tokens");
    }

    public static void WriteCompletion(ref WireWriter writer, Completion completion)
    {
        writer.Whole(completion.Sample);
        WriteSampled(ref writer, completion.Sampled);
        writer.Whole((int)completion.Reason);
    }

    public static Completion ReadCompletion(ref WireReader reader) =>
        new(reader.Whole(), ReadSampled(ref reader), ReadChoice<FinishReason>(ref reader));

    public static void WriteSlice(ref WireWriter writer, SampleSlice slice)
    {
        writer.Whole(slice.Sample);
        writer.Whole(slice.Start);
        WriteSampled(ref writer, slice.Sampled);
        writer.Bool(slice.Finished is not null);
        if (slice.Finished is { } reason)
            writer.Whole((int)reason);
    }

    public static SampleSlice ReadSlice(ref WireReader reader) => new(
        reader.Whole(), reader.Whole(), ReadSampled(ref reader), reader.Bool() ? ReadChoice<FinishReason>(ref reader) : null);

    public static T ReadChoice<T>(ref WireReader reader)
        where T : struct, Enum
    {
        var number = reader.Whole();
        return Enum.IsDefined(typeof(T), number)
            ? (T)Enum.ToObject(typeof(T), number)
            : throw new SerializationException($"{number} is no {typeof(T).Name}");
    }

    /// <summary>Writes a request. The samples of a group mostly share their sampling parameters, which are then written once.</summary>
    public static void WriteRequest(ref WireWriter writer, GroupRequest request)
    {
        WriteGroup(ref writer, request.Id);
        writer.Wholes(request.Prompt);
        var ways = new List<SamplingParams>();
        var chosen = new int[request.Samples.Length];
        for (var i = 0; i < chosen.Length; i++)
        {
            if (ways.Count == 0 || !ReferenceEquals(ways[^1], request.Samples[i]))
                ways.Add(request.Samples[i]);
            chosen[i] = ways.Count - 1;
        }
        WriteEach(ref writer, ways, WriteSampling);
        writer.Wholes(chosen);
        writer.Bool(request.Streamed);
    }

    public static GroupRequest ReadRequest(ref WireReader reader)
    {
        var (id, prompt, ways, chosen) =
            (ReadGroup(ref reader), reader.Wholes(), ReadEach(ref reader, ReadSampling), reader.Wholes());
        if (chosen.AsSpan().ContainsAnyExceptInRange(0, ways.Length - 1))
            throw new SerializationException("a sample refers to sampling parameters that the message lacks");
        return new GroupRequest(id, prompt, Array.ConvertAll(chosen, i => ways[i]), reader.Bool());
    }

    private static void WriteSampling(ref WireWriter writer, SamplingParams sampling)
    {
        writer.Number(sampling.Temperature);
        writer.Whole(sampling.TopK);
        writer.Number(sampling.TopP);
        writer.Number(sampling.MinP);
        writer.Whole(sampling.MaxTokens);
        writer.Wholes(sampling.StopTokenIds);
        WriteEach(ref writer, sampling.StopTexts, static (ref writer, text) => writer.Text(text));
        writer.Whole(sampling.Seed);
    }

    private static SamplingParams ReadSampling(ref WireReader reader) => new()
    {
        Temperature = reader.Number(),
        TopK = reader.Whole(),
        TopP = reader.Number(),
        MinP = reader.Number(),
        MaxTokens = reader.Whole(),
        StopTokenIds = reader.Wholes(),
        StopTexts = ReadEach(ref reader, static (ref reader) => reader.Text()),
        Seed = reader.Unsigned64(),
    };

    public static void WriteStart(ref WireWriter writer, SampleStart start)
    {
        writer.Whole(start.Sample);
        WriteSampled(ref writer, start.Sampled);
    }

    public static SampleStart ReadStart(ref WireReader reader) => new(reader.Whole(), ReadSampled(ref reader));
}
