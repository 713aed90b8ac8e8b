using System.Text.Json;
using System.Text.Json.Serialization;

namespace Rollout.Host.Tracking;

/// <summary>
/// The metrics of one training step: a line of metrics.jsonl. A metric that the step did not measure is absent; one that
/// is NaN or infinite is null in the file, and NaN when it is read.
/// </summary>
[JsonConverter(typeof(Json))]
public sealed class StepMetrics(int step, IReadOnlyDictionary<string, double> values)
{
    /// <summary>From 1; 0 is what was measured before training.</summary>
    public int Step { get; } = step;

    /// <summary>In the order of the file.</summary>
    public IReadOnlyDictionary<string, double> Values { get; } = values;

    /// <summary>Whether none is NaN or infinite.</summary>
    public bool AreFinite => Values.Values.All(double.IsFinite);

    /// <summary>True of a line that was written before metrics had TRL's names.</summary>
    public bool HasFormerNames => Values.ContainsKey("reward_mean");

    /// <summary>The metric's value; NaN where the step did not measure it.</summary>
    public double this[Metric metric] => Find(metric) ?? double.NaN;

    /// <summary>The metric's value; null where the step did not measure it.</summary>
    public double? Find(Metric metric) => Values.TryGetValue(metric.Name, out var value) ? value : null;

    private sealed class Json : JsonConverter<StepMetrics>
    {
        private const string StepName = "step";

        public override StepMetrics Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
        {
            var line = JsonElement.ParseValue(ref reader);
            if (line.ValueKind != JsonValueKind.Object || !line.TryGetProperty(StepName, out var number)
                || number.ValueKind != JsonValueKind.Number || !number.TryGetInt32(out var step))
            {
                throw new JsonException($"a line needs a whole number '{StepName}'");
            }
            var values = new OrderedDictionary<string, double>();
            foreach (var property in line.EnumerateObject())
            {
                if (property.NameEquals(StepName))
                    continue;
                if (property.Value.ValueKind is JsonValueKind.Number)
                    values[property.Name] = property.Value.GetDouble();
                else if (property.Value.ValueKind is JsonValueKind.Null)
                    values[property.Name] = double.NaN;
            }
            return new StepMetrics(step, values);
        }

        public override void Write(Utf8JsonWriter writer, StepMetrics value, JsonSerializerOptions options)
        {
            writer.WriteStartObject();
            writer.WriteNumber(StepName, value.Step);
            foreach (var (name, number) in value.Values)
            {
                if (double.IsFinite(number))
                    writer.WriteNumber(name, number);
                else
                    writer.WriteNull(name);
            }
            writer.WriteEndObject();
        }
    }
}
